/* CLI verbs. They ask the daemon through control.sock: it is the one ledger writer. A
 * password is read from the terminal or from standard input, never from arguments, which
 * every user of the machine can see. */
#include "base/banned.h"

#include "base/buf.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/account/account_int.h"

#include <termios.h>
#include <unistd.h>

#define DAY_MS (24 * 3600 * 1000LL)
#define BODY_MAX 16384
#define CTRL_C 0x03

typedef struct secret {
    char   text[ACCOUNT_PASSWORD_MAX + 2];
    size_t n;
} secret;

/* --- reading a password --------------------------------------------------------------- */

/* One line without its end; false at the end of input. */
static bool read_line(FILE *in, secret *out)
{
    if (fgets(out->text, sizeof out->text, in) == NULL)
        return false;
    out->n = strcspn(out->text, "\r\n");
    out->text[out->n] = '\0';
    return true;
}

/* Echo off, and Ctrl-C read as a character: dying here would leave the terminal mute. */
static bool prompt(pl_cmd_ctx *c, const char *text, secret *out)
{
    struct termios was, mute;
    bool           got;

    if (tcgetattr(STDIN_FILENO, &was) != 0)
        return false;
    mute = was;
    mute.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    (void)fputs(text, c->err);
    (void)fflush(c->err);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &mute) != 0)
        return false;
    got = read_line(stdin, out);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
    (void)fputc('\n', c->err);
    return got;
}

/* PL_EXIT_OK, or the exit code to end with. */
static int password_prompt(pl_cmd_ctx *c, secret *out)
{
    secret   again;
    pl_error err;
    bool     same;

    if (!prompt(c, pl_cmd_say(c, "new password: ", "新密码："), out) ||
        memchr(out->text, CTRL_C, out->n) != NULL ||
        !prompt(c, pl_cmd_say(c, "once more: ", "再输入一次："), &again) ||
        memchr(again.text, CTRL_C, again.n) != NULL)
        return PL_EXIT_INTERRUPTED;
    same = strcmp(out->text, again.text) == 0;
    sodium_memzero(&again, sizeof again);
    if (same)
        return PL_EXIT_OK;
    (void)pl_fail(&err, PL_INVALID, "the two passwords differ");
    return pl_cmd_fail(c, &err);
}

static int password_read(pl_cmd_ctx *c, secret *out)
{
    pl_error err;

    if (isatty(STDIN_FILENO))
        return password_prompt(c, out);
    if (read_line(stdin, out))
        return PL_EXIT_OK;
    (void)pl_fail(&err, PL_INVALID, "no password on standard input");
    return pl_cmd_fail(c, &err);
}

/* --- calling the daemon ------------------------------------------------------------------ */

/* Prints the daemon's answer with --json, else the line. */
static int done(pl_cmd_ctx *c, char *answer, const char *line)
{
    if (!c->json)
        (void)fprintf(c->out, "%s\n", line);
    else
        (void)fprintf(c->out, "%s\n", answer != NULL && *answer ? answer : "{}");
    free(answer);
    return PL_EXIT_OK;
}

static void wipe_buf(pl_buf *b)
{
    if (b->p != NULL)
        sodium_memzero(b->p, b->cap);
    pl_buf_done(b);
}

static int call(pl_cmd_ctx *c, const char *method, const char *path, pl_buf *body,
                const char *line)
{
    pl_error err;
    char    *answer = NULL;
    pl_rc    rc = pl_buf_check(body, &err);

    if (rc == PL_OK)
        rc = pl_cmd_call(c, method, path, pl_buf_str(body), &answer, &err);
    wipe_buf(body);
    return rc == PL_OK ? done(c, answer, line) : pl_cmd_fail(c, &err);
}

static void put_roles(pl_buf *b, unsigned roles)
{
    const char *sep = "";

    pl_buf_puts(b, "\"roles\":[");
    for (unsigned role = PL_ROLE_PUBLIC; role <= PL_ROLE_ADMIN; role <<= 1)
        if (roles & role) {
            pl_buf_printf(b, "%s\"%s\"", sep, pl_role_name(role));
            sep = ",";
        }
    pl_buf_putc(b, ']');
}

/* The name goes into a path, and the rule leaves nothing in it to escape. */
static pl_rc name_operand(pl_cmd_ctx *c, pl_error *err)
{
    return account_name_check(pl_str_z(c->argv[0]), err);
}

static pl_rc roles_option(pl_cmd_ctx *c, unsigned *roles, pl_error *err)
{
    const char *text = c->opt(c->host, "roles");

    if (text == NULL)
        return pl_fail(err, PL_INVALID, "option '--roles' is missing");
    return pl_roles_parse(pl_str_z(text), roles, err);
}

/* --- verbs --------------------------------------------------------------------------------- */

static int cmd_add(pl_cmd_ctx *c)
{
    pl_buf   body = PL_BUF_INIT(BODY_MAX);
    secret   password;
    unsigned roles;
    pl_error err;
    int      code;

    if (name_operand(c, &err) != PL_OK || roles_option(c, &roles, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    code = password_read(c, &password);
    if (code != PL_EXIT_OK)
        return code;
    pl_buf_printf(&body, "{\"name\":\"%s\",\"password\":\"", c->argv[0]);
    pl_buf_json(&body, (pl_str){ password.text, password.n });
    pl_buf_puts(&body, "\",");
    put_roles(&body, roles);
    pl_buf_putc(&body, '}');
    sodium_memzero(&password, sizeof password);
    return call(c, "POST", "/api/v1/accounts", &body,
                pl_cmd_say(c, "account added", "账号已添加"));
}

static int cmd_passwd(pl_cmd_ctx *c)
{
    pl_buf   body = PL_BUF_INIT(BODY_MAX);
    secret   password;
    char     path[128];
    pl_error err;
    int      code;

    if (name_operand(c, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    code = password_read(c, &password);
    if (code != PL_EXIT_OK)
        return code;
    (void)snprintf(path, sizeof path, "/api/v1/accounts/%s/password", c->argv[0]);
    pl_buf_puts(&body, "{\"password\":\"");
    pl_buf_json(&body, (pl_str){ password.text, password.n });
    pl_buf_puts(&body, "\"}");
    sodium_memzero(&password, sizeof password);
    return call(c, "POST", path, &body,
                pl_cmd_say(c, "password changed, its sessions are ended", "密码已修改，会话已结束"));
}

static int cmd_disable(pl_cmd_ctx *c)
{
    pl_buf   body = PL_BUF_INIT(BODY_MAX);
    char     path[128];
    pl_error err;

    if (name_operand(c, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    (void)snprintf(path, sizeof path, "/api/v1/accounts/%s/disable", c->argv[0]);
    return call(c, "POST", path, &body, pl_cmd_say(c, "account disabled", "账号已停用"));
}

/* "a,b" of a role array. */
static void print_roles(FILE *out, const json_t *roles)
{
    size_t  i;
    json_t *v;

    json_array_foreach((json_t *)(uintptr_t)roles, i, v)
        (void)fprintf(out, "%s%s", i > 0 ? "," : "", json_string_value(v));
}

static void print_account(FILE *out, const json_t *row)
{
    (void)fprintf(out, "%-24s  %s  %-8s  ", json_string_value(json_object_get(row, "name")),
                  json_string_value(json_object_get(row, "created")),
                  json_is_true(json_object_get(row, "disabled")) ? "disabled" : "active");
    print_roles(out, json_object_get(row, "roles"));
    (void)fputc('\n', out);
}

static void print_token(FILE *out, const json_t *row)
{
    int64_t expires_ms = json_integer_value(json_object_get(row, "expires_ms"));
    char    expires[25] = "never";

    if (expires_ms > 0)
        pl_time_format(expires_ms, expires);
    (void)fprintf(out, "%s  %-24s  %-8s  ", json_string_value(json_object_get(row, "id")), expires,
                  json_is_true(json_object_get(row, "revoked")) ? "revoked" : "active");
    print_roles(out, json_object_get(row, "roles"));
    (void)fprintf(out, "  %s\n", json_string_value(json_object_get(row, "label")));
}

/* Appends the rows of one page; *next is the place to go on from, "" at the end. */
static pl_rc fetch_page(pl_cmd_ctx *c, const char *noun, json_t *rows, char next[72],
                        pl_error *err)
{
    char   path[160], *answer;
    json_t *page;
    pl_rc   rc;

    (void)snprintf(path, sizeof path, "/api/v1/%s?after=%s", noun, next);
    rc = pl_cmd_call(c, "GET", path, PL_STR(""), &answer, err);
    if (rc != PL_OK)
        return rc;
    rc = pl_json_parse(pl_str_z(answer), "answer", &page, err);
    free(answer);
    if (rc != PL_OK)
        return rc;
    (void)json_array_extend(rows, json_object_get(page, noun));
    (void)snprintf(next, 72, "%s",
                   json_is_string(json_object_get(page, "next"))
                       ? json_string_value(json_object_get(page, "next"))
                       : "");
    json_decref(page);
    return PL_OK;
}

static int list(pl_cmd_ctx *c, const char *noun, void (*print)(FILE *out, const json_t *row))
{
    json_t  *rows = json_array(), *row;
    char     next[72] = "", *text;
    size_t   i;
    pl_error err;
    pl_rc    rc;

    do
        rc = fetch_page(c, noun, rows, next, &err);
    while (rc == PL_OK && next[0] != '\0');
    if (rc == PL_OK && c->json) {
        text = pl_json_dump(rows);
        (void)fprintf(c->out, "{\"%s\":%s}\n", noun, text != NULL ? text : "[]");
        free(text);
    } else if (rc == PL_OK) {
        json_array_foreach(rows, i, row)
            print(c->out, row);
    }
    json_decref(rows);
    return rc == PL_OK ? PL_EXIT_OK : pl_cmd_fail(c, &err);
}

static int cmd_list(pl_cmd_ctx *c)
{
    return list(c, "accounts", print_account);
}

static int cmd_tokens(pl_cmd_ctx *c)
{
    return list(c, "tokens", print_token);
}

static pl_rc days_option(pl_cmd_ctx *c, int64_t *expires_ms, pl_error *err)
{
    const char *text = c->opt(c->host, "days");
    uint64_t    days;
    pl_rc       rc;

    *expires_ms = 0;
    if (text == NULL)
        return PL_OK;
    rc = pl_str_u64(pl_str_z(text), &days, err);
    if (rc != PL_OK || days < 1 || days > 3660)
        return pl_fail(err, PL_INVALID, "option '--days' must be between 1 and 3660");
    *expires_ms = c->now_ms + (int64_t)days * DAY_MS;
    return PL_OK;
}

static int show_token(pl_cmd_ctx *c, char *answer)
{
    json_t  *j;
    pl_error err;

    if (c->json)
        return done(c, answer, "");
    if (pl_json_parse(pl_str_z(answer), "answer", &j, &err) != PL_OK) {
        free(answer);
        return pl_cmd_fail(c, &err);
    }
    (void)fprintf(c->out, "%s\n", json_string_value(json_object_get(j, "value")));
    (void)fprintf(c->err, "%s (id %s)\n",
                  pl_cmd_say(c, "keep it now: it is not shown again", "请立即保存，以后不再显示"),
                  json_string_value(json_object_get(j, "id")));
    json_decref(j);
    free(answer);
    return PL_EXIT_OK;
}

static int cmd_token(pl_cmd_ctx *c)
{
    pl_buf   body = PL_BUF_INIT(BODY_MAX);
    unsigned roles;
    int64_t  expires_ms;
    char    *answer = NULL;
    pl_error err;
    pl_rc    rc;

    if (roles_option(c, &roles, &err) != PL_OK || days_option(c, &expires_ms, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    pl_buf_puts(&body, "{\"label\":\"");
    pl_buf_json(&body, pl_str_z(c->argv[0]));
    pl_buf_printf(&body, "\",\"expires_ms\":%lld,", (long long)expires_ms);
    put_roles(&body, roles);
    pl_buf_putc(&body, '}');
    rc = pl_buf_check(&body, &err);
    if (rc == PL_OK)
        rc = pl_cmd_call(c, "POST", "/api/v1/tokens", pl_buf_str(&body), &answer, &err);
    pl_buf_done(&body);
    return rc == PL_OK ? show_token(c, answer) : pl_cmd_fail(c, &err);
}

static int cmd_revoke(pl_cmd_ctx *c)
{
    pl_buf   body = PL_BUF_INIT(BODY_MAX);
    char     path[64];
    pl_error err;

    if (!pl_id_valid(pl_str_z(c->argv[0]))) {
        (void)pl_fail(&err, PL_INVALID, "not the id of a token: '%.40s'", c->argv[0]);
        return pl_cmd_fail(c, &err);
    }
    (void)snprintf(path, sizeof path, "/api/v1/tokens/%s", c->argv[0]);
    return call(c, "DELETE", path, &body, pl_cmd_say(c, "token revoked", "令牌已吊销"));
}

static const pl_opt role_opts[] = {
    { "roles", "LIST", "comma list of public, assessor, regulator, reviewer, provider, admin",
      "角色，逗号分隔：public、assessor、regulator、reviewer、provider、admin" },
    { 0 },
};

static const pl_opt token_opts[] = {
    { "roles", "LIST", "comma list of public, assessor, regulator, reviewer, provider, admin",
      "角色，逗号分隔：public、assessor、regulator、reviewer、provider、admin" },
    { "days", "N", "days until it expires; without it the token does not expire",
      "有效天数；不给出则不过期" },
    { 0 },
};

static const pl_opt no_opts[] = { { 0 } };

const pl_cmd account_commands[] = {
    { "account", "add", "NAME", 1, 1, role_opts, "add an account (asks for the password)",
      "添加账号（会询问密码）", "plumbline account add li.lei --roles reviewer", cmd_add },
    { "account", "passwd", "NAME", 1, 1, no_opts, "set a new password and end the sessions",
      "设置新密码并结束会话", "plumbline account passwd admin", cmd_passwd },
    { "account", "disable", "NAME", 1, 1, no_opts, "shut an account out", "停用账号",
      "plumbline account disable li.lei", cmd_disable },
    { "account", "list", "", 0, 0, no_opts, "list accounts", "列出账号",
      "plumbline account list --json", cmd_list },
    { "account", "token", "LABEL", 1, 1, token_opts, "make an API token, shown once",
      "创建 API 令牌，只显示一次", "plumbline account token prometheus --roles reviewer --days 365",
      cmd_token },
    { "account", "tokens", "", 0, 0, no_opts, "list API tokens", "列出 API 令牌",
      "plumbline account tokens", cmd_tokens },
    { "account", "revoke", "ID", 1, 1, no_opts, "revoke an API token", "吊销 API 令牌",
      "plumbline account revoke 01jd3s9q0v8m5k2x7r4c6t1nhz", cmd_revoke },
    { 0 },
};
