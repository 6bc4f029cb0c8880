/*
 * The first instructions of the lab's kernel: from the 32-bit protected mode in which a boot
 * loader leaves us (Documentation/x86/boot.rst of Linux) to the kernel's own 64-bit entry.
 * Linked to where every loader puts a kernel that is not relocatable.
 */
#define PRESENT_WRITABLE 3
#define HUGE_PAGE 0x80
#define TABLES 0x7f00000	/* top level, its one entry's table, four of 1 GiB each */
#define STACK TABLES
#define CODE64 8

	.code32
	.globl	_start
_start:
	cli
	cld
	movl	$STACK, %esp

	/* The first 4 GiB are where they are. */
	movl	$TABLES, %edi
	xorl	%eax, %eax
	movl	$(6 * 4096 / 4), %ecx
	rep stosl
	movl	$(TABLES + 0x1000 + PRESENT_WRITABLE), TABLES
	movl	$(TABLES + 0x1000), %edi
	movl	$(TABLES + 0x2000 + PRESENT_WRITABLE), %eax
1:	movl	%eax, (%edi)
	addl	$8, %edi
	addl	$0x1000, %eax
	cmpl	$(TABLES + 0x6000), %eax
	jb	1b
	movl	$(TABLES + 0x2000), %edi
	movl	$(HUGE_PAGE + PRESENT_WRITABLE), %eax
1:	movl	%eax, (%edi)
	addl	$8, %edi
	addl	$0x200000, %eax
	jnc	1b

	movl	%cr4, %eax
	orl	$0x20, %eax			/* PAE */
	movl	%eax, %cr4
	movl	$TABLES, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx		/* EFER */
	rdmsr
	orl	$0x100, %eax			/* long mode */
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000000, %eax		/* paging */
	movl	%eax, %cr0
	lgdt	descriptor
	ljmp	$CODE64, $1f

	.code64
1:	xorl	%eax, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%esi, %ebx			/* the boot parameters, which C keeps */
	call	unpack
	movq	%rbx, %rsi
	jmp	*%rax

	.balign	8
segments:
	.quad	0
	.quad	0x00af9a000000ffff		/* 64-bit code */
descriptor:
	.word	descriptor - segments - 1
	.long	segments
