#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "host/cli/up.h"
#include "host/cli/up_nginx.h"
#include "pl_test.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#define GOLDEN PL_TEST_SOURCE_ROOT "/src/host/cli/tests/golden/"

static pl_nginx_params demo_params(void)
{
    return (pl_nginx_params){
        .dir = "/srv/pl inst",
        .service = "default",
        .listen = "127.0.0.1:8420",
        .gateway = "127.0.0.1:8421",
        .upstream = "",
        .upstream_socket = "/srv/pl inst/run/demo-upstream.sock",
        .upstream_ca = "",
        .system_ca = "/etc/ssl/certs/ca-certificates.crt",
        .web = "/usr/share/plumbline/web",
        .module = "/usr/lib/nginx/modules/ngx_http_plumbline_module.so",
        .max_body = 4 << 20,
        .max_response = 8 << 20,
    };
}

static pl_nginx_params https_params(void)
{
    pl_nginx_params p = demo_params();

    p.upstream_socket = NULL;
    p.upstream = "https://models.example.com:8443/openai/";
    p.upstream_ca = "/etc/own-ca.pem";
    p.listen = "[::1]:9000";
    p.gateway = "*:9001";
    p.workers = 16;
    p.as_root = 1;
    return p;
}

/* PL_UPDATE_GOLDEN=1 writes the file instead: look at the difference before keeping it. */
static void assert_golden(const pl_nginx_params *p, const char *name)
{
    pl_buf   have = PL_BUF_INIT(1u << 20);
    pl_error err = { 0 };
    char     path[600], *want = NULL;
    size_t   n = 0;

    snprintf(path, sizeof path, "%s%s", GOLDEN, name);
    assert_ok(pl_nginx_conf(p, &have, &err), &err);
    if (getenv("PL_UPDATE_GOLDEN") != NULL)
        assert_ok(pl_file_write_atomic(path, pl_buf_str(&have), 0644, &err), &err);
    assert_ok(pl_file_read(path, 1u << 20, &want, &n, &err), &err);
    assert_string_equal(have.p, want);
    free(want);
    pl_buf_done(&have);
}

static void nginx_conf__of_the_demo_is_as_recorded(void **state)
{
    pl_nginx_params p = demo_params();

    (void)state;
    assert_golden(&p, "nginx-demo.conf");
}

static void nginx_conf__of_an_https_upstream_is_as_recorded(void **state)
{
    pl_nginx_params p = https_params();

    (void)state;
    assert_golden(&p, "nginx-https.conf");
}

static char *conf_of(const pl_nginx_params *p)
{
    pl_buf   b = PL_BUF_INIT(1u << 20);
    pl_error err = { 0 };

    assert_ok(pl_nginx_conf(p, &b, &err), &err);
    return b.p;
}

static void assert_has(const char *conf, const char *part)
{
    if (strstr(conf, part) == NULL)
        fail_msg("'%s' is not in the configuration", part);
}

/* What must hold whatever else changes in the golden files. */
static void nginx_conf__verifies_https_upstreams(void **state)
{
    pl_nginx_params p = https_params();
    char           *conf = conf_of(&p);

    (void)state;
    assert_has(conf, "proxy_pass https://plumbline_model/openai/v1/chat/completions;");
    assert_has(conf, "proxy_ssl_server_name on;");
    assert_has(conf, "proxy_ssl_name models.example.com;");
    assert_has(conf, "proxy_ssl_verify on;");
    assert_has(conf, "proxy_ssl_trusted_certificate \"/etc/own-ca.pem\";");
    assert_has(conf, "proxy_set_header Host models.example.com:8443;");
    free(conf);
    p.upstream_ca = "";
    conf = conf_of(&p);
    assert_has(conf, "proxy_ssl_trusted_certificate \"/etc/ssl/certs/ca-certificates.crt\";");
    free(conf);
    p.upstream = "http://models.example.com";
    conf = conf_of(&p);
    assert_has(conf, "proxy_pass http://plumbline_model/v1/chat/completions;");
    assert_has(conf, "proxy_set_header Host models.example.com;");
    assert_null(strstr(conf, "proxy_ssl_verify"));
    free(conf);
}

static void nginx_conf__holds_the_limits_of_the_instance(void **state)
{
    pl_nginx_params p = demo_params();
    char           *conf;

    (void)state;
    p.max_body = 12345;
    p.max_response = 67890;
    conf = conf_of(&p);
    assert_has(conf, "client_max_body_size 12345;");
    assert_has(conf, "client_body_buffer_size 12345;");
    assert_has(conf, "plumbline_max_response 67890;");
    free(conf);
}

static void nginx_conf__refuses_what_would_change_its_meaning(void **state)
{
    static const char *const bad[] = { "/srv/x\";}", "/srv/$host", "/srv/a\nb", "/srv/'x'",
                                       "/srv/back\\slash" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pl_nginx_params p = demo_params();
        pl_buf          b = PL_BUF_INIT(1u << 20);
        pl_error        err = { 0 };

        p.dir = bad[i];
        assert_rc(pl_nginx_conf(&p, &b, &err), PL_INVALID);
        assert_int_equal(b.n, 0);
        p = demo_params();
        p.module = bad[i];
        assert_rc(pl_nginx_conf(&p, &b, &err), PL_INVALID);
        pl_buf_done(&b);
    }
}

/* --- upstream URLs --------------------------------------------------------------------- */

static void upstream_url__replaces_or_prefixes_v1(void **state)
{
    static const struct {
        const char *url, *host;
        unsigned    port;
        const char *base;
    } cases[] = {
        { "http://127.0.0.1:8000", "127.0.0.1", 8000, "/v1" },
        { "http://127.0.0.1:8000/", "127.0.0.1", 8000, "/v1" },
        { "https://api.example.com/v1", "api.example.com", 443, "/v1" },
        { "https://api.example.com/v1/", "api.example.com", 443, "/v1" },
        { "https://api.example.com/api/paas/v4", "api.example.com", 443, "/api/paas/v4" },
        { "https://api.example.com/compatible-mode/v1", "api.example.com", 443,
          "/compatible-mode/v1" },
        { "http://h/tenant", "h", 80, "/tenant/v1" },
        { "http://h/v1beta", "h", 80, "/v1beta/v1" },
        { "http://h/rev2", "h", 80, "/rev2/v1" },
        { "http://h/v", "h", 80, "/v/v1" },
        { "http://[::1]:9/v12", "[::1]", 9, "/v12" },
        { "http://h/a%20b/v1", "h", 80, "/a%20b/v1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_upstream_url u;
        pl_error        err = { 0 };

        assert_ok(pl_upstream_url_parse(cases[i].url, &u, &err), &err);
        assert_string_equal(u.host, cases[i].host);
        assert_int_equal(u.port, cases[i].port);
        assert_string_equal(u.base, cases[i].base);
    }
}

static void upstream_url__refuses_what_cannot_be_served(void **state)
{
    static const char *const bad[] = {
        "", "example.com", "ftp://x", "http://", "http:///v1", "http://h:0", "http://h:99999",
        "http://h:1x", "http://user:pw@h/v1", "http://h/v1?x=1", "http://h/v1#f", "http://h/a b",
        "http://h/;}", "http://h/$x", "http://h\n/v1", "http://[::1", "http://[zz]/v1",
        "https://10.0.0.1/v1", "https://[::1]/v1", "http://h/\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pl_upstream_url u;
        pl_error        err = { 0 };

        if (pl_upstream_url_parse(bad[i], &u, &err) != PL_INVALID)
            fail_msg("'%s' was accepted", bad[i]);
    }
}

/* --- several upstreams ------------------------------------------------------------------- */

static void upstreams__are_parsed_with_weights_and_backups(void **state)
{
    pl_upstreams u;
    pl_error     err = { 0 };

    (void)state;
    assert_ok(pl_upstreams_parse("http://a:8000/v1;weight=3,http://b:8000/v1/,http://[::1]:9/v1;backup;weight=2",
                                 &u, &err), &err);
    assert_int_equal(u.n, 3);
    assert_string_equal(u.url.base, "/v1");
    assert_string_equal(u.server[0].host, "a");
    assert_int_equal(u.server[0].weight, 3);
    assert_false(u.server[0].is_backup);
    assert_int_equal(u.server[1].weight, 1);
    assert_string_equal(u.server[2].host, "[::1]");
    assert_int_equal(u.server[2].port, 9);
    assert_int_equal(u.server[2].weight, 2);
    assert_true(u.server[2].is_backup);
    assert_ok(pl_upstreams_parse("https://m.example:1/v1,https://m.example:2/v1", &u, &err), &err);
}

static void upstreams__that_are_no_one_service_are_refused(void **state)
{
    static const char *const bad[] = {
        "", ",", "http://a,", "http://a,,http://b", "http://a,https://a", "http://a/v1,http://b/v2",
        "https://a,https://b", "http://a,http://a", "http://a:80,http://a", "http://a;backup",
        "http://a;backup,http://b;backup", "http://a;weight=0", "http://a;weight=1001",
        "http://a;weight=", "http://a;weight=x", "http://a;down", "http://a;max_fails=0",
    };
    pl_buf many = PL_BUF_INIT(1u << 16);

    (void)state;
    for (unsigned i = 0; i <= PL_UPSTREAMS_MAX; i++)
        pl_buf_printf(&many, "%shttp://a:%u", i == 0 ? "" : ",", 8000 + i);
    for (size_t i = 0; i <= sizeof bad / sizeof bad[0]; i++) {
        const char  *list = i < sizeof bad / sizeof bad[0] ? bad[i] : many.p;
        pl_upstreams u;
        pl_error     err = { 0 };

        if (pl_upstreams_parse(list, &u, &err) != PL_INVALID)
            fail_msg("'%s' was accepted", list);
    }
    pl_buf_done(&many);
}

static void nginx_conf__of_several_upstreams_shares_what_workers_know_of_them(void **state)
{
    pl_nginx_params p = demo_params();
    char           *conf;

    (void)state;
    p.upstream_socket = NULL;
    p.upstream = "http://a:8000/m,http://b:8001/m;weight=3,http://c:8002/m;backup";
    conf = conf_of(&p);
    assert_has(conf, "    upstream plumbline_model {\n"
                     "        zone plumbline_model 256k;\n"
                     "        least_conn;\n"
                     "        server a:8000 weight=1 max_fails=2 fail_timeout=10s;\n"
                     "        server b:8001 weight=3 max_fails=2 fail_timeout=10s;\n"
                     "        server c:8002 weight=1 max_fails=2 fail_timeout=10s backup;\n"
                     "        keepalive 64;");
    assert_has(conf, "proxy_pass http://plumbline_model/m/v1/chat/completions;");
    free(conf);
}

/* --- addresses ------------------------------------------------------------------------- */

static void port_check__names_busy_addresses_and_the_way_out(void **state)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          n = sizeof a;
    int                fd = socket(AF_INET, SOCK_STREAM, 0);
    char               address[64];
    pl_error           err = { 0 };

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(a.sin_port));
    assert_rc(pl_up_port_check(address, "gateway", "gateway/listen", &err), PL_CONFLICT);
    assert_non_null(strstr(err.text, address));
    assert_non_null(strstr(err.text, "--gateway"));
    assert_non_null(strstr(err.text, "'gateway/listen' in plumbline.yaml"));
    close(fd);
    assert_ok(pl_up_port_check(address, "gateway", "gateway/listen", &err), &err);
}

static void port_check__refuses_addresses_of_other_machines(void **state)
{
    pl_error err = { 0 };

    (void)state;
    assert_rc(pl_up_port_check("192.0.2.1:8420", "listen", "listen", &err), PL_IO);
    assert_non_null(strstr(err.text, "--listen"));
    assert_rc(pl_up_port_check("8420", "listen", "listen", &err), PL_INVALID);
}

static void up_url__is_one_a_browser_can_open(void **state)
{
    static const char *const cases[][2] = {
        { "127.0.0.1:8420", "http://127.0.0.1:8420" },
        { "0.0.0.0:80", "http://127.0.0.1:80" },
        { "*:8421", "http://127.0.0.1:8421" },
        { "[::]:8421", "http://[::1]:8421" },
        { "gw.example:8421", "http://gw.example:8421" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char url[128];

        pl_up_url(cases[i][0], url, sizeof url);
        assert_string_equal(url, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nginx_conf__of_the_demo_is_as_recorded),
        cmocka_unit_test(nginx_conf__of_an_https_upstream_is_as_recorded),
        cmocka_unit_test(nginx_conf__verifies_https_upstreams),
        cmocka_unit_test(nginx_conf__holds_the_limits_of_the_instance),
        cmocka_unit_test(nginx_conf__refuses_what_would_change_its_meaning),
        cmocka_unit_test(upstream_url__replaces_or_prefixes_v1),
        cmocka_unit_test(upstream_url__refuses_what_cannot_be_served),
        cmocka_unit_test(upstreams__are_parsed_with_weights_and_backups),
        cmocka_unit_test(upstreams__that_are_no_one_service_are_refused),
        cmocka_unit_test(nginx_conf__of_several_upstreams_shares_what_workers_know_of_them),
        cmocka_unit_test(port_check__names_busy_addresses_and_the_way_out),
        cmocka_unit_test(port_check__refuses_addresses_of_other_machines),
        cmocka_unit_test(up_url__is_one_a_browser_can_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
