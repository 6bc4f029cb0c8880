#include "guest_image.h"

#include "../freestanding.h"
#include "guest.h"
#include "hypercall.h"
#include "memory.h"

/* Below the image, which begins at 1 MiB, the first pages are free. */
#define START_INFO_PAGE 1u
#define FRAMES_PAGE 4u
#define L4_PAGE 16u
#define L3_PAGE 17u
#define L2_PAGE 18u
#define L1_PAGE 19u
#define ENTRIES 512u
#define L4_SLOT 511u	/* of VIRT_BASE */
#define L3_SLOT 510u
#define TABLE 0x67UL
#define WRITABLE 0x67UL
#define READ_ONLY 0x65UL

extern const uint8_t image_start[], data_start[], data_end[], image_end[];
extern void entry(void);

static uint8_t *kept_data;

void guest_keep_data(void)
{
	size_t size = data_end - data_start;

	kept_data = pages_take((size + PAGE_SIZE - 1) >> PAGE_SHIFT);
	if (kept_data)
		memcpy(kept_data, data_start, size);
}

static size_t page_number(const void *address)
{
	return ((unsigned long)address - VIRT_BASE) >> PAGE_SHIFT;
}

size_t guest_image_pages(void)
{
	return page_number(image_end) + 1;
}

static size_t table_pages(void)
{
	return L1_PAGE - L4_PAGE + (guest_image_pages() + ENTRIES - 1) / ENTRIES;
}

static void *see(struct guest_window *window, xen_pfn_t frame)
{
	return page_map_foreign(window->page, frame, window->domain) ? NULL : window->page;
}

static uint64_t table_entry(xen_pfn_t frame, uint64_t flags)
{
	return (uint64_t)frame << PAGE_SHIFT | flags;
}

static void fill_start_info(struct start_info *info, const xen_pfn_t *frames,
			    unsigned long shared_info_frame, const char *command_line)
{
	memcpy(info->magic, "xen-3.0-x86_64", sizeof("xen-3.0-x86_64"));
	info->nr_pages = guest_image_pages();
	info->shared_info = shared_info_frame << PAGE_SHIFT;
	info->console.domU.mfn = frames[GUEST_CONSOLE_PAGE];
	info->pt_base = VIRT_BASE + (L4_PAGE << PAGE_SHIFT);
	info->nr_pt_frames = table_pages();
	info->mfn_list = VIRT_BASE + (FRAMES_PAGE << PAGE_SHIFT);
	memcpy(info->cmd_line, command_line, strlen(command_line) + 1);
}

static void fill_lowest_table(uint64_t *table, size_t number, const xen_pfn_t *frames)
{
	size_t first = number * ENTRIES, end = first + ENTRIES;

	for (size_t i = first; i < end && i < guest_image_pages(); i++) {
		bool is_table = i >= L4_PAGE && i < L4_PAGE + table_pages();

		table[i - first] = table_entry(frames[i], is_table ? READ_ONLY : WRITABLE);
	}
}

static void fill_table(uint64_t *table, size_t page, const xen_pfn_t *frames)
{
	switch (page) {
	case L4_PAGE:
		table[L4_SLOT] = table_entry(frames[L3_PAGE], TABLE);
		break;
	case L3_PAGE:
		table[L3_SLOT] = table_entry(frames[L2_PAGE], TABLE);
		break;
	case L2_PAGE:
		for (size_t i = 0; i < table_pages() - (L1_PAGE - L4_PAGE); i++)
			table[i] = table_entry(frames[L1_PAGE + i], TABLE);
		break;
	default:
		fill_lowest_table(table, page - L1_PAGE, frames);
	}
}

/* Our own page, with our data as it was when we were loaded; behind it all is zero. */
static void fill_from_image(uint8_t *page, size_t number)
{
	const uint8_t *ours = (const uint8_t *)(VIRT_BASE + (number << PAGE_SHIFT));

	for (size_t i = 0; i < PAGE_SIZE && ours + i < data_end; i++)
		page[i] = ours + i < data_start ? ours[i] : kept_data[ours + i - data_start];
}

static void fill_page(void *page, size_t number, const xen_pfn_t *frames)
{
	size_t list = (guest_image_pages() * sizeof(*frames) + PAGE_SIZE - 1) >> PAGE_SHIFT;

	if (number >= FRAMES_PAGE && number < FRAMES_PAGE + list)
		memcpy(page, (const uint8_t *)frames + (number - FRAMES_PAGE) * PAGE_SIZE,
		       PAGE_SIZE);
	else if (number >= L4_PAGE && number < L4_PAGE + table_pages())
		fill_table(page, number, frames);
	else if (number >= page_number(image_start))
		fill_from_image(page, number);
}

/* The page must not stay mapped: a page table that is writable anywhere is refused. */
static bool pin(struct guest_window *window, const xen_pfn_t *frames)
{
	struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = frames[L4_PAGE] };

	if (page_unmap(window->page))
		return false;
	return ring0_hypercall(__HYPERVISOR_mmuext_op, (unsigned long)&pin, 1, 0, window->domain,
			       0) == 0;
}

bool guest_image_write(struct guest_window *window, const xen_pfn_t *frames,
		       unsigned long shared_info_frame, const char *command_line)
{
	if (!kept_data)
		return false;
	for (size_t number = 0; number < guest_image_pages(); number++) {
		void *page = see(window, frames[number]);

		if (!page)
			return false;
		memset(page, 0, PAGE_SIZE);
		if (number == START_INFO_PAGE)
			fill_start_info(page, frames, shared_info_frame, command_line);
		else
			fill_page(page, number, frames);
	}
	return pin(window, frames);
}

void guest_image_context(struct vcpu_guest_context *context, const xen_pfn_t *frames)
{
	memset(context, 0, sizeof(*context));
	context->flags = VGCF_in_kernel | VGCF_online;
	context->user_regs.rip = (unsigned long)entry;
	context->user_regs.rsi = VIRT_BASE + (START_INFO_PAGE << PAGE_SHIFT);
	context->user_regs.cs = FLAT_KERNEL_CS;
	context->user_regs.ss = FLAT_KERNEL_SS;
	context->user_regs.rflags = 1 << 9;
	context->kernel_ss = FLAT_KERNEL_SS;
	context->ctrlreg[3] = xen_pfn_to_cr3(frames[L4_PAGE]);
}
