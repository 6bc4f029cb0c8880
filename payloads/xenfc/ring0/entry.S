/* Where Xen enters, how exceptions reach C, and what the domain builder must know about us. */
#define __ASSEMBLY__
#include <xen/xen.h>
#include <xen/elfnote.h>

#define VIRT_BASE 0xffffffff80000000
#define HYPERCALL_SLOTS 128
#define HYPERCALL_SLOT_SHIFT 5
#define STACK_SIZE 65536
#define DOOR_INTERRUPT 0x7f	/* as in ../door.h */

.macro note type, kind, value:vararg
	.pushsection .note.xen, "a", @note
	.align 4
	.long 2f - 1f, 4f - 3f, \type
1:	.asciz "Xen"
2:	.align 4
3:	\kind \value
4:	.align 4
	.popsection
.endm

	note XEN_ELFNOTE_GUEST_OS, .asciz, "xenfc"
	note XEN_ELFNOTE_XEN_VERSION, .asciz, "xen-3.0"
	note XEN_ELFNOTE_LOADER, .asciz, "generic"
	note XEN_ELFNOTE_VIRT_BASE, .quad, VIRT_BASE
	note XEN_ELFNOTE_PADDR_OFFSET, .quad, 0
	note XEN_ELFNOTE_ENTRY, .quad, entry
	note XEN_ELFNOTE_HYPERCALL_PAGE, .quad, hypercall_page
	note XEN_ELFNOTE_FEATURES, .asciz, "!writable_page_tables|pae_pgdir_above_4gb"
	note XEN_ELFNOTE_PAE_MODE, .asciz, "yes"

	.text
	.globl entry
entry:
	cld
	lea stack_end(%rip), %rsp
	xor %ebp, %ebp
	mov %rsi, %rdi			/* start_info */
	call kernel_main
	ud2

/*
 * long ring0_hypercall(unsigned long nr, a0, a1, a2, a3, a4)
 * The page Xen gave us has 128 entries; a number beyond it goes the way its entries go.
 */
	.globl ring0_hypercall
ring0_hypercall:
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %rcx, %rdx
	mov %r8, %r10
	mov %r9, %r8
	cmp $HYPERCALL_SLOTS, %rax
	jae 1f
	shl $HYPERCALL_SLOT_SHIFT, %rax
	add $hypercall_page, %rax
	jmp *%rax
1:	syscall
	ret

/* struct catch { rbx, rbp, r12..r15, rsp, rip }: see traps.h */
	.globl catch_begin
catch_begin:
	mov %rbx, 0(%rdi)
	mov %rbp, 8(%rdi)
	mov %r12, 16(%rdi)
	mov %r13, 24(%rdi)
	mov %r14, 32(%rdi)
	mov %r15, 40(%rdi)
	lea 8(%rsp), %rax
	mov %rax, 48(%rdi)
	mov (%rsp), %rax
	mov %rax, 56(%rdi)
	xor %eax, %eax
	ret

	.globl catch_resume
catch_resume:
	mov 0(%rdi), %rbx
	mov 8(%rdi), %rbp
	mov 16(%rdi), %r12
	mov 24(%rdi), %r13
	mov 32(%rdi), %r14
	mov 40(%rdi), %r15
	mov 48(%rdi), %rsp
	mov $1, %eax
	jmp *56(%rdi)

/* void execute_code(const void *code, struct registers { rax, rcx, rdx, rbx, rsi, rdi } *) */
	.globl execute_code
execute_code:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rsi
	mov %rdi, %r11
	mov %rsi, %r10
	mov 0(%r10), %rax
	mov 8(%r10), %rcx
	mov 16(%r10), %rdx
	mov 24(%r10), %rbx
	mov 32(%r10), %rsi
	mov 40(%r10), %rdi
	call *%r11
	cld
	pop %r10
	mov %rax, 0(%r10)
	mov %rcx, 8(%r10)
	mov %rdx, 16(%r10)
	mov %rbx, 24(%r10)
	mov %rsi, 32(%r10)
	mov %rdi, 40(%r10)
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* Xen pushes rcx and r11 on top of what the processor would push. */
.macro trap vector, has_error
trap_\vector:
	pop %rcx
	pop %r11
	.if !\has_error
	push $0
	.endif
	push $\vector
	jmp trap_common
	.pushsection .rodata
	.quad trap_\vector
	.popsection
.endm

	.pushsection .rodata
	.align 8
	.globl trap_entries
trap_entries:
	.popsection
	trap 0, 0
	trap 1, 0
	trap 2, 0
	trap 3, 0
	trap 4, 0
	trap 5, 0
	trap 6, 0
	trap 7, 0
	trap 8, 1
	trap 9, 0
	trap 10, 1
	trap 11, 1
	trap 12, 1
	trap 13, 1
	trap 14, 1
	trap 15, 0
	trap 16, 0
	trap 17, 1
	trap 18, 0
	trap 19, 0

/* An interrupt that the kernel makes itself. */
	.globl interrupt_entry
interrupt_entry:
	pop %rcx
	pop %r11
	push $0
	push $DOOR_INTERRUPT
	jmp trap_common

.macro save_registers
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
.endm

.macro restore_registers
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
.endm

trap_common:
	save_registers
	mov %rsp, %rdi
	mov %rsp, %rbp
	and $-16, %rsp
	call trap_handle
	mov %rbp, %rsp
	restore_registers
	add $16, %rsp
	push $0
	jmp hypercall_page + (__HYPERVISOR_iret << HYPERCALL_SLOT_SHIFT)

	.globl event_entry
event_entry:
	pop %rcx
	pop %r11
	push $0
	push $0
	save_registers
	mov %rsp, %rbp
	and $-16, %rsp
	call events_quieten
	mov %rbp, %rsp
	restore_registers
	add $16, %rsp
	push $0
	jmp hypercall_page + (__HYPERVISOR_iret << HYPERCALL_SLOT_SHIFT)

/* A selector that Xen could not load when it returned to us: nothing to go on with. */
	.globl failsafe_entry
failsafe_entry:
	ud2

	.pushsection .text.pages, "ax"
	.align 4096
	.globl hypercall_page
hypercall_page:
	.skip 4096, 0xcc
	.popsection

	.pushsection .bss.stack, "aw", @nobits
	.align 4096
	.skip STACK_SIZE
stack_end:
	.popsection

	.section .note.GNU-stack, "", @progbits
