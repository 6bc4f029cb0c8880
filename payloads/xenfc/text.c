/* Formatting and matching without a libc. */
#include "freestanding.h"

void text_begin(struct text *t, char *buffer, size_t size)
{
	t->at = buffer;
	t->size = size;
	t->used = 0;
	buffer[0] = '\0';
}

void text_char(struct text *t, char c)
{
	if (t->used + 1 >= t->size)
		return;
	t->at[t->used++] = c;
	t->at[t->used] = '\0';
}

void text_add(struct text *t, const char *piece)
{
	while (*piece)
		text_char(t, *piece++);
}

static void add_digits(struct text *t, uint64_t value, unsigned int base)
{
	char digits[20];
	unsigned int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n)
		text_char(t, digits[--n]);
}

void text_uint(struct text *t, uint64_t value)
{
	add_digits(t, value, 10);
}

void text_int(struct text *t, int64_t value)
{
	if (value < 0)
		text_char(t, '-');
	add_digits(t, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

void text_hex(struct text *t, uint64_t value)
{
	text_add(t, "0x");
	add_digits(t, value, 16);
}

static void add_number(struct text *t, char kind, bool wide, va_list *arguments)
{
	uint64_t value = wide ? va_arg(*arguments, unsigned long) :
				va_arg(*arguments, unsigned int);

	if (kind == 'x')
		text_hex(t, value);
	else if (kind == 'u')
		text_uint(t, value);
	else
		text_int(t, wide ? (int64_t)value : (int32_t)value);
}

void text_vformat(struct text *t, const char *format, va_list outer)
{
	va_list arguments;

	va_copy(arguments, outer);
	for (; *format; format++) {
		bool wide;

		if (*format != '%') {
			text_char(t, *format);
			continue;
		}
		wide = *++format == 'l';
		format += wide;
		if (*format == 's')
			text_add(t, va_arg(arguments, const char *));
		else if (*format == 'c')
			text_char(t, (char)va_arg(arguments, int));
		else if (*format == '%')
			text_char(t, '%');
		else
			add_number(t, *format, wide, &arguments);
	}
	va_end(arguments);
}

void text_format(struct text *t, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_vformat(t, format, arguments);
	va_end(arguments);
}

bool text_equal(const char *a, const char *b)
{
	size_t size = strlen(a);

	return size == strlen(b) && !memcmp(a, b, size);
}

/* One pattern, up to its comma or end. */
static bool matches_one(const char *pattern, const char *word)
{
	for (; *pattern && *pattern != ','; pattern++, word++) {
		if (*pattern == '*') {
			do {
				if (matches_one(pattern + 1, word))
					return true;
			} while (*word++);
			return false;
		}
		if (!*word || (*pattern != '?' && *pattern != *word))
			return false;
	}
	return !*word;
}

bool text_matches(const char *patterns, const char *word)
{
	for (;;) {
		if (matches_one(patterns, word))
			return true;
		while (*patterns && *patterns != ',')
			patterns++;
		if (!*patterns++)
			return false;
	}
}

static int digit_value(char c, unsigned int base)
{
	int value = c >= '0' && c <= '9' ? c - '0' :
		    c >= 'a' && c <= 'f' ? c - 'a' + 10 :
		    c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;

	return value < (int)base ? value : -1;
}

bool text_number(const char *word, uint64_t *value)
{
	unsigned int base = 10;
	uint64_t sum = 0;

	if (word[0] == '0' && (word[1] == 'x' || word[1] == 'X')) {
		base = 16;
		word += 2;
	}
	if (!*word)
		return false;
	for (; *word; word++) {
		int digit = digit_value(*word, base);

		if (digit < 0 || sum > (UINT64_MAX - (unsigned int)digit) / base)
			return false;
		sum = sum * base + (unsigned int)digit;
	}
	*value = sum;
	return true;
}
