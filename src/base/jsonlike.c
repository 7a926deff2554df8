#include "base/banned.h"

#include "base/jsonscan.h"

/* The grammar of RFC 8259 as a byte automaton, so that a text can arrive in pieces.
 * Levels beyond PL_JSONSCAN_DEPTH are counted without remembering their kind: a deeper
 * text may pass although it closes '[' with '}', but no JSON is taken for prose. */
enum like {
    LIKE_START,        /* before the outermost bracket     */
    LIKE_VALUE,        /* a value must come                */
    LIKE_VALUE_OR_END, /* after '['                        */
    LIKE_KEY,          /* after ',' in an object           */
    LIKE_KEY_OR_END,   /* after '{'                        */
    LIKE_COLON,
    LIKE_AFTER, /* after a value                    */
    LIKE_DONE,  /* only blanks may come             */
    LIKE_MINUS, /* number states                    */
    LIKE_ZERO,
    LIKE_INT,
    LIKE_POINT,
    LIKE_FRACTION,
    LIKE_EXP,
    LIKE_EXP_SIGN,
    LIKE_EXP_DIGITS,
    LIKE_WORD /* LIKE_WORD + k: k bytes into words[] are read */
};

/* The rest of a word ends at the blank; a state is an offset into this. */
static const char words[] = "true false null ";

#define IN_KEY   1
#define IN_VALUE 2

#define ESCAPE_ANY 5 /* after the backslash; 4..1: hex digits still to come */

void pl_jsonlike_init(pl_jsonlike *j)
{
    *j = (pl_jsonlike){ .state = LIKE_START };
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* 1 object, 0 array, -1 not remembered */
static int kind_of_top(const pl_jsonlike *j)
{
    return j->depth <= PL_JSONSCAN_DEPTH ? j->stack[j->depth - 1] : -1;
}

static void open_level(pl_jsonlike *j, char c)
{
    if (j->depth < PL_JSONSCAN_DEPTH)
        j->stack[j->depth] = c == '{';
    j->depth++;
    j->state = c == '{' ? LIKE_KEY_OR_END : LIKE_VALUE_OR_END;
}

static void close_level(pl_jsonlike *j, char c)
{
    int kind = kind_of_top(j);

    if (kind >= 0 && kind != (c == '}')) {
        j->dead = 1;
        return;
    }
    j->depth--;
    j->state = j->depth > 0 ? LIKE_AFTER : LIKE_DONE;
}

static void on_value(pl_jsonlike *j, char c)
{
    switch (c) {
    case '{':
    case '[':
        open_level(j, c);
        break;
    case '"':
        j->in_string = IN_VALUE;
        break;
    case 't':
        j->state = LIKE_WORD + 1;
        break;
    case 'f':
        j->state = LIKE_WORD + 6;
        break;
    case 'n':
        j->state = LIKE_WORD + 12;
        break;
    case '-':
        j->state = LIKE_MINUS;
        break;
    case '0':
        j->state = LIKE_ZERO;
        break;
    default:
        if (is_digit(c))
            j->state = LIKE_INT;
        else
            j->dead = 1;
    }
}

static void on_after(pl_jsonlike *j, char c)
{
    int kind = kind_of_top(j);

    if (c == '}' || c == ']')
        close_level(j, c);
    else if (c != ',')
        j->dead = 1;
    else if (kind >= 0)
        j->state = kind == 1 ? LIKE_KEY : LIKE_VALUE;
    else
        j->state = LIKE_VALUE; /* a key is a string value here; see LIKE_COLON below */
}

/* true when the byte was part of the number; false ends it. */
static bool on_number(pl_jsonlike *j, char c)
{
    switch ((enum like)j->state) {
    case LIKE_MINUS:
        j->dead = !is_digit(c);
        j->state = c == '0' ? LIKE_ZERO : LIKE_INT;
        return true;
    case LIKE_INT:
        if (is_digit(c))
            return true;
        __attribute__((fallthrough));
    case LIKE_ZERO:
        if (c == '.')
            j->state = LIKE_POINT;
        else if (c == 'e' || c == 'E')
            j->state = LIKE_EXP;
        else
            return false;
        return true;
    case LIKE_FRACTION:
        if (is_digit(c))
            return true;
        if (c != 'e' && c != 'E')
            return false;
        j->state = LIKE_EXP;
        return true;
    case LIKE_POINT:
        j->dead = !is_digit(c);
        j->state = LIKE_FRACTION;
        return true;
    case LIKE_EXP:
        if (c == '+' || c == '-') {
            j->state = LIKE_EXP_SIGN;
            return true;
        }
        __attribute__((fallthrough));
    case LIKE_EXP_SIGN:
        j->dead = !is_digit(c);
        j->state = LIKE_EXP_DIGITS;
        return true;
    default:
        return is_digit(c); /* LIKE_EXP_DIGITS */
    }
}

static void on_string(pl_jsonlike *j, char c)
{
    if (j->escape == ESCAPE_ANY) {
        j->escape = c == 'u' ? 4 : 0;
        j->dead = c == '\0' || strchr("\"\\/bfnrtu", c) == NULL;
    } else if (j->escape > 0) {
        j->escape--;
        j->dead = !is_hex(c);
    } else if (c == '\\') {
        j->escape = ESCAPE_ANY;
    } else if (c == '"') {
        j->state = j->in_string == IN_KEY ? LIKE_COLON : LIKE_AFTER;
        j->in_string = 0;
    } else if ((unsigned char)c < 0x20) {
        j->dead = 1;
    }
}

static void on_key(pl_jsonlike *j, char c)
{
    if (c == '"')
        j->in_string = IN_KEY;
    else
        j->dead = 1;
}

static void on_word(pl_jsonlike *j, char c)
{
    if (c != words[j->state - LIKE_WORD])
        j->dead = 1;
    else if (words[++j->state - LIKE_WORD] == ' ')
        j->state = LIKE_AFTER;
}

static void on_byte(pl_jsonlike *j, char c)
{
    if (j->state >= LIKE_WORD) {
        on_word(j, c);
        return;
    }
    if (j->state >= LIKE_MINUS) {
        if (on_number(j, c))
            return;
        j->state = LIKE_AFTER;
    }
    if (is_blank(c))
        return;
    switch ((enum like)j->state) {
    case LIKE_START:
        if (c == '{' || c == '[')
            open_level(j, c);
        else
            j->dead = 1;
        break;
    case LIKE_VALUE:
        on_value(j, c);
        break;
    case LIKE_VALUE_OR_END:
        if (c == ']')
            close_level(j, c);
        else
            on_value(j, c);
        break;
    case LIKE_KEY:
        on_key(j, c);
        break;
    case LIKE_KEY_OR_END:
        if (c == '}')
            close_level(j, c);
        else
            on_key(j, c);
        break;
    case LIKE_COLON:
        if (c == ':')
            j->state = LIKE_VALUE;
        else
            j->dead = 1;
        break;
    case LIKE_AFTER:
        /* Beyond the remembered depth a string after a comma may be a key. */
        if (c == ':' && kind_of_top(j) < 0)
            j->state = LIKE_VALUE;
        else
            on_after(j, c);
        break;
    default:
        j->dead = 1; /* LIKE_DONE: text after the end */
    }
}

/* Bytes at p that leave an open string as it is. */
static size_t inert_run(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && p[i] != '"' && p[i] != '\\' && (unsigned char)p[i] >= 0x20)
        i++;
    return i;
}

void pl_jsonlike_feed(pl_jsonlike *j, pl_str piece)
{
    for (size_t i = 0; i < piece.n && !j->dead; i++) {
        if (j->in_string != 0 && j->escape == 0)
            i += inert_run(piece.p + i, piece.n - i);
        if (i == piece.n)
            return;
        if (j->in_string != 0)
            on_string(j, piece.p[i]);
        else
            on_byte(j, piece.p[i]);
    }
}

int pl_jsonlike_complete(const pl_jsonlike *j)
{
    return !j->dead && j->state == LIKE_DONE;
}
