/* Trust lists of `inspect --trust`: files of PEM, or folders of such files. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/label/sign.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#define LIST_MAX (16u << 20)

static size_t certs_in(pl_str pem)
{
    BIO   *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509  *x;
    size_t n = 0;

    for (; b && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL; n++)
        X509_free(x);
    BIO_free(b);
    ERR_clear_error();
    return n;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shown(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* One list of all certificates in the regular files of a folder. */
static pl_rc read_folder(const char *dir, char **out, size_t *n, pl_error *err)
{
    struct dirent **e = NULL;
    int             count = scandir(dir, &e, is_shown, by_name);
    pl_buf          b = PL_BUF_INIT(LIST_MAX);
    pl_rc           rc = count >= 0 ? PL_OK : pl_fail(err, PL_IO, "cannot read the folder '%s'", dir);

    for (int i = 0; i < count; i++) {
        char       *path = pl_path_join(dir, e[i]->d_name), *text = NULL;
        struct stat st;
        size_t      k = 0;
        if (rc == PL_OK && path && stat(path, &st) == 0 && S_ISREG(st.st_mode))
            rc = pl_file_read(path, LIST_MAX, &text, &k, err);
        if (rc == PL_OK && text) {
            pl_buf_put(&b, (pl_str){ text, k });
            pl_buf_putc(&b, '\n');
        }
        free(text);
        free(path);
        free(e[i]);
    }
    free(e);
    if (rc == PL_OK)
        rc = pl_buf_check(&b, err);
    *out = rc == PL_OK ? pl_str_dup(pl_buf_str(&b)) : NULL;
    *n = b.n;
    pl_buf_done(&b);
    return rc == PL_OK && !*out ? pl_fail(err, PL_NOMEM, "out of memory") : rc;
}

static pl_rc read_list(const char *path, char **out, size_t *n, pl_error *err)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return read_folder(path, out, n, err);
    return pl_file_read(path, LIST_MAX, out, n, err);
}

/* "list" of "a/list/" too. */
static char *name_of(const char *path)
{
    size_t end = strlen(path), from;

    while (end > 1 && path[end - 1] == '/')
        end--;
    for (from = end; from > 0 && path[from - 1] != '/'; from--)
        ;
    return pl_str_dup((pl_str){ path + from, end - from });
}

pl_rc pl_trust_files_add(pl_trust_files *t, const char *path, pl_error *err)
{
    bool             allowed = strncmp(path, "allowed:", 8) == 0;
    const char      *file = allowed ? path + 8 : path;
    c2pa_trust_list *l = &t->trust.lists[t->trust.n];
    size_t           n = 0;
    pl_rc            rc;

    if (t->trust.n == C2PA_TRUST_LISTS_MAX)
        return pl_fail(err, PL_LIMIT, "more than %d trust lists", C2PA_TRUST_LISTS_MAX);
    rc = read_list(file, &t->text[t->trust.n], &n, err);
    if (rc != PL_OK)
        return rc;
    *l = (c2pa_trust_list){ .pem = { t->text[t->trust.n], n }, .is_allowed = allowed };
    t->name[t->trust.n] = name_of(file);
    l->name = pl_str_z(t->name[t->trust.n]);
    t->trust.n++;
    if (certs_in(l->pem) == 0)
        return pl_fail(err, PL_INVALID, "'%s' holds no certificate in PEM", file);
    return PL_OK;
}

void pl_trust_files_done(pl_trust_files *t)
{
    for (size_t i = 0; i < t->trust.n; i++) {
        free(t->text[i]);
        free(t->name[i]);
    }
    t->trust.n = 0;
}
