/* What is in the memory of a guest made of ourselves when it starts. */
#ifndef XENFC_RING0_GUEST_IMAGE_H
#define XENFC_RING0_GUEST_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include <xen/xen.h>

#define GUEST_MOST_PAGES 4096u
#define GUEST_CONSOLE_PAGE 2u

/* A page of ours in whose place the guest's pages are seen, one after another. */
struct guest_window {
	void *page;
	domid_t domain;
};

size_t guest_image_pages(void);

/* Writes every page; the page tables are then known to Xen as such. */
bool guest_image_write(struct guest_window *window, const xen_pfn_t *frames,
		       unsigned long shared_info_frame, const char *command_line);

/* The first vcpu as it enters the kernel. */
void guest_image_context(struct vcpu_guest_context *context, const xen_pfn_t *frames);

#endif
