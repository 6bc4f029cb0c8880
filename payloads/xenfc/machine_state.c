/*
 * What a processor of a machine is given is told again, all of it; what no processor can have is
 * refused, and leaves none that is online.
 */
#include "machine_state.h"

#include "domctl.h"
#include "processor.h"
#include "surroundings.h"

#include <xen/hvm/save.h>

#define SAVED_AT (ARENA_ASIDE + DOOR_PAGE)
#define TOLD_AT (ARENA_ASIDE + 2u * (size_t)DOOR_PAGE)
#define CONTROL_0 0x5002eull	/* bits that are free to choose while there is no paging */
#define CONTROL_0_SET 0x11ull
#define PAGING (1ull << 31)
#define ALWAYS_TYPED 0x10ull	/* of the first control register: it cannot be clear */
#define CONTROL_4 0x7fcull	/* what every processor has */
#define FEATURES 0x901ull	/* of EFER: those of every 64-bit processor, but for the active mode */
#define ACTIVE 0x400ull
#define ALWAYS_SET 2ull		/* of the flags */
#define CONTROL_WORD 24u	/* of the vector unit, in its state: any other bits might be refused */
#define LARGE (1u << 20)	/* from here on a segment is counted in pages */
#define IN_PAGES 0x800u
#define PRIVILEGE 5u
#define CANONICAL ((1ull << 47) - 1)
#define MEMORY_TYPES 8u
#define ENABLED_TYPES 0xc00ull

/* A file that says what it is, one record, and the end. */
struct saved {
	struct hvm_save_descriptor header_is;
	HVM_SAVE_TYPE(HEADER) header;
	struct hvm_save_descriptor record_is;
	uint8_t record[];
};

uint8_t *machine_saved_at(struct call *call)
{
	return call->run->door->arena + SAVED_AT;
}

static struct saved *file_of(struct call *call)
{
	return (struct saved *)(void *)machine_saved_at(call);
}

void *machine_saved_begin(struct call *call, uint16_t type, uint32_t length)
{
	struct saved *saved = file_of(call);

	/* The end is a descriptor of zeroes. */
	memset(saved, 0, sizeof(*saved) + length + sizeof(saved->record_is));
	saved->header_is.typecode = HVM_SAVE_CODE(HEADER);
	saved->header_is.length = HVM_SAVE_LENGTH(HEADER);
	saved->header.magic = HVM_FILE_MAGIC;
	saved->header.version = HVM_FILE_VERSION;
	saved->record_is.typecode = type;
	saved->record_is.length = length;
	return saved->record;
}

long machine_load(struct call *call, uint16_t id, size_t size)
{
	struct xen_domctl *d = memset(domctl_aside_structure(call->run), 0, sizeof(*d));
	struct saved *saved = file_of(call);
	uint64_t address = (uintptr_t)saved;

	d->u.hvmcontext.size = (uint32_t)(size ? size : sizeof(*saved) + saved->record_is.length +
					  sizeof(saved->record_is));
	memcpy(&d->u.hvmcontext.buffer, &address, sizeof(address));
	return domctl_aside(call->run, XEN_DOMCTL_sethvmcontext, id);
}

static void must(const struct surroundings *s, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(s->call, "%s the state of a machine gave %ld, expected %ld", what, result,
			   expected);
}

/* One record, in a buffer of `room` bytes. */
static long ask(const struct surroundings *s, uint16_t type, uint32_t instance, uint64_t room)
{
	struct run *run = s->call->run;
	struct xen_domctl *d = memset(domctl_aside_structure(run), 0, sizeof(*d));
	uint64_t address = (uintptr_t)memset(run->door->arena + TOLD_AT, ARENA_BACKGROUND,
					     DOOR_PAGE);

	d->u.hvmcontext_partial.type = type;
	d->u.hvmcontext_partial.instance = instance;
	d->u.hvmcontext_partial.bufsz = room;
	memcpy(&d->u.hvmcontext_partial.buffer, &address, sizeof(address));
	return domctl_aside(run, XEN_DOMCTL_gethvmcontext_partial, s->id);
}

/* The time it tells goes on; all else does not, as the machine is paused. */
static void accept_time(struct hvm_hw_cpu *loaded, const struct hvm_hw_cpu *told)
{
	loaded->tsc = told->tsc;
}

/* What was loaded is told byte by byte, wherever it fits; no byte is written behind it. */
static void check_told(const struct surroundings *s)
{
	const struct saved *saved = file_of(s->call);
	const struct xen_domctl *d = domctl_aside_structure(s->call->run);
	const uint8_t *told = s->call->run->door->arena + TOLD_AT;
	uint32_t length = saved->record_is.length, i = 0;
	uint16_t type = saved->record_is.typecode;

	must(s, "asking with too little room for", ask(s, type, 0, length - 1), ERR(ENOBUFS));
	must(s, "asking a second processor for", ask(s, type, 1, length), ERR(ENOENT));
	must(s, "asking for", ask(s, type, 0, length + draw(s->call, 2)), 0);
	if (d->u.hvmcontext_partial.bufsz != length)
		call_wrong(s->call, "a record of %u bytes is told to have %lu", length,
			   (uint64_t)d->u.hvmcontext_partial.bufsz);
	if (type == HVM_SAVE_CODE(CPU))
		accept_time((void *)saved->record, (const void *)told);
	while (i < length && told[i] == saved->record[i])
		i++;
	if (i < length)
		call_wrong(s->call, "byte %u of state %u of a machine is %x, %x was loaded", i, type,
			   told[i], saved->record[i]);
	if (told[length] != ARENA_BACKGROUND)
		call_wrong(s->call, "more than %u bytes of a state were told", length);
}

static uint32_t draw_limit(struct call *call)
{
	return (uint32_t)draw_interesting(call, chance(call, 50) ? 20 : 32);
}

static uint32_t in_pages(uint32_t limit)
{
	return limit < LARGE ? 0 : IN_PAGES;
}

/*
 * Of a kind that processors of today have, as Xen insists on it: there, used, and counted as its
 * size needs.
 */
static void draw_segments(struct call *call, struct hvm_hw_cpu *cpu)
{
	uint32_t *const limits[] = { &cpu->cs_limit, &cpu->ds_limit, &cpu->es_limit, &cpu->fs_limit,
				     &cpu->gs_limit, &cpu->ss_limit };
	uint32_t *const kinds[] = { &cpu->cs_arbytes, &cpu->ds_arbytes, &cpu->es_arbytes,
				    &cpu->fs_arbytes, &cpu->gs_arbytes, &cpu->ss_arbytes };
	uint32_t *const selectors[] = { &cpu->cs_sel, &cpu->ds_sel, &cpu->es_sel, &cpu->fs_sel,
					&cpu->gs_sel, &cpu->ss_sel, &cpu->tr_sel, &cpu->ldtr_sel };
	uint64_t *const bases[] = { &cpu->cs_base, &cpu->ds_base, &cpu->es_base, &cpu->ss_base };
	uint64_t *const far[] = { &cpu->fs_base, &cpu->gs_base, &cpu->tr_base, &cpu->ldtr_base,
				  &cpu->idtr_base, &cpu->gdtr_base };

	for (unsigned int i = 0; i < COUNT(limits); i++) {
		*limits[i] = draw_limit(call);
		*kinds[i] = (i ? 0x493 : 0x49b) | (uint32_t)draw(call, 4) << PRIVILEGE |
			    in_pages(*limits[i]);
	}
	for (unsigned int i = 0; i < COUNT(selectors); i++)
		*selectors[i] &= 0xfffb;
	for (unsigned int i = 0; i < COUNT(bases); i++)
		*bases[i] = (uint32_t)*bases[i];
	for (unsigned int i = 0; i < COUNT(far); i++)
		*far[i] &= CANONICAL;
	cpu->tr_limit &= LARGE - 1;
	cpu->tr_arbytes = 0x8b;
	cpu->ldtr_limit = draw_limit(call);
	cpu->ldtr_arbytes = chance(call, 50) ? 0 : 0x82 | in_pages(cpu->ldtr_limit);
	cpu->idtr_limit &= 0xffff;
	cpu->gdtr_limit &= 0xffff;
}

static struct hvm_hw_cpu *draw_processor(struct call *call)
{
	struct hvm_hw_cpu *cpu = machine_saved_begin(call, HVM_SAVE_CODE(CPU), HVM_SAVE_LENGTH(CPU));

	draw_bytes(call, cpu, sizeof(*cpu));
	memset(cpu->fpu_regs + CONTROL_WORD, 0, 2 * sizeof(uint32_t));
	cpu->rflags |= ALWAYS_SET;
	cpu->cr0 = (cpu->cr0 & CONTROL_0) | CONTROL_0_SET;
	cpu->cr3 = (uint32_t)cpu->cr3;
	cpu->cr4 &= CONTROL_4;
	cpu->msr_efer &= FEATURES;
	cpu->sysenter_cs = (uint32_t)cpu->sysenter_cs;
	cpu->dr6 = (uint32_t)cpu->dr6;
	cpu->dr7 = (uint32_t)cpu->dr7;
	if (since(call, RELEASE(4, 18))) {	/* what processors never change, Xen sets right */
		cpu->dr6 = (cpu->dr6 & ~STATUS_ZEROES) | STATUS_ONES;
		cpu->dr7 = (cpu->dr7 & ~CONTROL_ZEROES) | CONTROL_ONES;
	}
	cpu->msr_tsc_aux = (uint32_t)cpu->msr_tsc_aux;
	cpu->msr_flags = 0;
	cpu->pending_event = cpu->error_code = 0;
	cpu->flags = XEN_X86_FPU_INITIALISED;
	cpu->pad0 = 0;
	draw_segments(call, cpu);
	return cpu;
}

/* One thing in it that no processor can have. */
static void spoil(struct call *call, struct hvm_hw_cpu *cpu)
{
	switch (draw(call, 10)) {
	case 0:
		cpu->pad0 = 1u << draw(call, 32);
		break;
	case 1:
		cpu->cr0 &= ~ALWAYS_TYPED;
		break;
	case 2:
		cpu->cr0 = (cpu->cr0 & ~1ull) | PAGING;
		break;
	case 3:
		cpu->cr0 |= 1ull << (chance(call, 50) ? 6 + draw(call, 10) : 32 + draw(call, 32));
		break;
	case 4:
		cpu->cr3 |= 1ull << (52 + draw(call, 12));
		break;
	case 5:
		cpu->cr4 |= 1ull << (32 + draw(call, 32));
		break;
	case 6:
		cpu->msr_efer |= chance(call, 50) ? ACTIVE : 1ull << (32 + draw(call, 32));
		break;
	case 7:
		cpu->flags |= 2u << draw(call, 31);
		break;
	case 8:
		cpu->msr_tsc_aux |= 1ull << (32 + draw(call, 32));
		break;
	default:
		file_of(call)->record_is.instance = 1;
	}
}

static void check_processor(const struct surroundings *s)
{
	struct hvm_hw_cpu *cpu = draw_processor(s->call);
	uint32_t length = sizeof(*cpu);

	must(s, "loading", machine_load(s->call, s->id, 0), 0);
	check_told(s);
	spoil(s->call, cpu);
	must(s, "loading an impossible processor in", machine_load(s->call, s->id, 0), ERR(EINVAL));
	file_of(s->call)->record_is.instance = 0;
	must(s, "asking, after that was refused, for", ask(s, HVM_SAVE_CODE(CPU), 0, length),
	     ERR(ENODATA));
}

/* Eight types of memory, of which two do not exist. */
static uint64_t draw_types(struct call *call)
{
	static const uint8_t types[MEMORY_TYPES] = { 0, 1, 4, 5, 6, 0, 1, 6 };
	uint64_t all = 0;

	for (unsigned int i = 0; i < MEMORY_TYPES; i++)
		all = all << 8 | types[draw(call, COUNT(types))];
	return all;
}

/* Which memory is of which type.  Of the variable ranges Xen 4.17 tells the first one only. */
static void check_memory_types(const struct surroundings *s)
{
	struct hvm_hw_mtrr *types = machine_saved_begin(s->call, HVM_SAVE_CODE(MTRR),
							HVM_SAVE_LENGTH(MTRR));

	types->msr_pat_cr = draw_types(s->call);
	for (unsigned int i = 0; i < NUM_FIXED_MSR; i++)
		types->msr_mtrr_fixed[i] = draw_types(s->call) & 0x0404040404040404ull;
	types->msr_mtrr_cap = 0x500 | draw(s->call, MTRR_VCNT + 1);
	for (unsigned int i = 0; i < (types->msr_mtrr_cap & 0xff); i++) {
		types->msr_mtrr_var[2 * i] = 0x12340006;
		types->msr_mtrr_var[2 * i + 1] = 0xffff0800;
	}
	types->msr_mtrr_def_type = ENABLED_TYPES | 6;
	must(s, "loading types of memory in", machine_load(s->call, s->id, 0), 0);
	check_told(s);
	types->msr_mtrr_cap = MTRR_VCNT + 1;
	must(s, "loading too many types of memory in", machine_load(s->call, s->id, 0), ERR(EINVAL));
}

/* A file that is none, or that ends too early. */
static void check_file(const struct surroundings *s)
{
	struct saved *saved = file_of(s->call);
	size_t size = sizeof(*saved) + HVM_SAVE_LENGTH(CPU) + sizeof(saved->record_is);

	draw_processor(s->call);
	must(s, "loading a part of", machine_load(s->call, s->id, size - 1), ERR(ENODATA));
	saved->record_is.length++;
	/* Since 4.19 all is looked at before any of it is loaded. */
	must(s, "loading a longer record of", machine_load(s->call, s->id, size),
	     since(s->call, RELEASE(4, 19)) ? ERR(ENODATA) : ERR(EINVAL));
	machine_saved_begin(s->call, HVM_SAVE_CODE(MTRR), HVM_SAVE_LENGTH(MTRR) - 1);
	must(s, "loading a shorter record of", machine_load(s->call, s->id, 0), ERR(EINVAL));
	draw_processor(s->call);
	saved->record_is.typecode = HVM_SAVE_CODE_MAX + 1 + (uint16_t)draw(s->call, 100);
	must(s, "loading an unknown record of", machine_load(s->call, s->id, 0), ERR(EINVAL));
	draw_processor(s->call);
	if (chance(s->call, 50))
		saved->header.magic ^= 1u << draw(s->call, 32);
	else
		saved->header.version++;
	must(s, "loading what is not", machine_load(s->call, s->id, 0), ERR(EINVAL));
	saved->header_is.typecode = HVM_SAVE_CODE(CPU);
	must(s, "loading, without saying so,", machine_load(s->call, s->id, 0), ERR(ENODATA));
}

/* On others Xen keeps a part of the state in a form of the processor's own: there it was never tried. */
static bool is_amd(void)
{
	uint32_t leaf = 0, first, second, third;

	__asm__ ("cpuid" : "+a"(leaf), "=b"(first), "=c"(second), "=d"(third));
	return first == 0x68747541;	/* as "AuthenticAMD" begins */
}

void machine_state(const struct surroundings *s)
{
	if (is_amd())
		check_processor(s);
	check_memory_types(s);
	check_file(s);
}
