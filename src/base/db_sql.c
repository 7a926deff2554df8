#include "base/banned.h"

#include "base/buf.h"
#include "base/db_int.h"

#include <strings.h>

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || (unsigned char)c >= 0x80;
}

/* Behind the next `end` from `at`, or the end of the text. */
static size_t find_end(const char *sql, size_t at, const char *end)
{
    const char *hit = strstr(sql + at, end);

    return hit != NULL ? (size_t)(hit - sql) + strlen(end) : at + strlen(sql + at);
}

/* A quote is written inside itself by doubling it, which looks like two quoted texts in
 * a row: nothing needs to be done about it here. */
static size_t dollar_quote_end(const char *sql, size_t at)
{
    size_t tag = at + 1;
    char   mark[64];

    if (sql[tag] >= '0' && sql[tag] <= '9')
        return at; /* a parameter */
    while (is_word(sql[tag]))
        tag++;
    if (sql[tag] != '$' || tag + 1 - at >= sizeof mark)
        return at;
    memcpy(mark, sql + at, tag + 1 - at);
    mark[tag + 1 - at] = '\0';
    return find_end(sql, tag + 1, mark);
}

size_t pl_sql_opaque_end(const char *sql, size_t at)
{
    switch (sql[at]) {
    case '\'':
        return find_end(sql, at + 1, "'");
    case '"':
        return find_end(sql, at + 1, "\"");
    case '$':
        return dollar_quote_end(sql, at);
    case '-':
        return sql[at + 1] == '-' ? find_end(sql, at + 2, "\n") : at;
    case '/':
        return sql[at + 1] == '*' ? find_end(sql, at + 2, "*/") : at;
    default:
        return at;
    }
}

char *pl_sql_blob_to_bytea(const char *sql)
{
    pl_buf out = PL_BUF_INIT(SIZE_MAX / 2);
    size_t i = 0;

    while (sql[i] != '\0') {
        size_t end = pl_sql_opaque_end(sql, i);

        if (end == i && is_word(sql[i]))
            while (is_word(sql[end]))
                end++;
        else if (end == i)
            end = i + 1;
        if (end - i == 4 && strncasecmp(sql + i, "BLOB", 4) == 0)
            pl_buf_puts(&out, "BYTEA");
        else
            pl_buf_put(&out, (pl_str){ sql + i, end - i });
        i = end;
    }
    pl_buf_put(&out, (pl_str){ "", 1 });
    if (out.failed)
        pl_buf_done(&out);
    return out.p;
}
