#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/pl_guard.h"
#include "host/cli/up_nginx.h"

/* Idle connections to the upstream are closed before it closes them: servers on uvicorn
 * (vLLM among them) do so after five seconds, and a request sent into that moment fails. */
#define UPSTREAM_IDLE "4s"

/* Statuses that nginx itself may answer with and a client of the OpenAI API would see. */
#define GATEWAY_ERRORS                                                                             \
    "400 401 403 404 405 408 411 413 414 415 416 429 431 494 495 496 497 500 501 502 503 504"

static const char types[] =
    "    types {\n"
    "        text/html             html;\n"
    "        text/css              css;\n"
    "        text/javascript       js mjs;\n"
    "        application/json      json map;\n"
    "        application/wasm      wasm;\n"
    "        image/svg+xml         svg;\n"
    "        image/png             png;\n"
    "        image/x-icon          ico;\n"
    "        font/woff2            woff2;\n"
    "        text/plain            txt;\n"
    "    }\n"
    "    default_type application/octet-stream;\n";

/* What names a request without repeating any of its content. */
static const char log_format[] =
    "    log_format plumbline escape=json\n"
    "        '{\"time\":\"$time_iso8601\",\"request_id\":\"$plumbline_request_id\",'\n"
    "        '\"method\":\"$request_method\",\"path\":\"$uri\",\"status\":$status,'\n"
    "        '\"verdict\":\"$plumbline_verdict\",\"bytes_in\":$request_length,'\n"
    "        '\"bytes_out\":$bytes_sent,\"time_s\":$request_time,'\n"
    "        '\"upstream_time_s\":\"$upstream_response_time\",'\n"
    "        '\"upstream_status\":\"$upstream_status\",\"upstream\":\"$upstream_addr\",'\n"
    "        '\"remote\":\"$remote_addr\"}';\n";

/* For pages; answers of the daemon carry their own. add_header is not inherited by a
 * location that has one, so each location that needs them gets them all. */
static const char page_headers[] =
    "            add_header Content-Security-Policy \"default-src 'self'; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'\" always;\n"
    "            add_header X-Content-Type-Options nosniff always;\n"
    "            add_header X-Frame-Options DENY always;\n"
    "            add_header Referrer-Policy no-referrer always;\n"
    "            add_header Cross-Origin-Opener-Policy same-origin always;\n";

/* verify.html is one file with its script in it, which may reach nothing. */
static const char verify_headers[] =
    "            add_header Content-Security-Policy \"default-src 'none'; script-src "
    "'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'\" always;\n"
    "            add_header X-Content-Type-Options nosniff always;\n"
    "            add_header X-Frame-Options DENY always;\n"
    "            add_header Referrer-Policy no-referrer always;\n";

/* The daemon logs in whoever comes through this socket; it never trusts these headers for
 * more than the metrics page and the flag of its cookie. */
static const char daemon_headers[] =
    "            proxy_http_version 1.1;\n"
    "            proxy_set_header Connection \"\";\n"
    "            proxy_set_header Host $http_host;\n"
    "            proxy_set_header X-Real-IP $remote_addr;\n"
    "            proxy_set_header X-Forwarded-For $remote_addr;\n"
    "            proxy_set_header X-Forwarded-Proto $scheme;\n";

/* --- values ---------------------------------------------------------------------------- */

/* nginx expands $ and reads quotes and backslashes in words; none of them is of use in a
 * path, so none is let through. */
static pl_rc value_check(const char *what, const char *value, pl_error *err)
{
    for (const char *p = value; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || strchr("\"'\\$`", *p) != NULL)
            return pl_fail(err, PL_INVALID,
                           "%s holds a character that nginx.conf cannot take: '%.120s'", what,
                           value);
    return PL_OK;
}

static pl_rc values_check(const pl_nginx_params *p, pl_error *err)
{
    const struct {
        const char *what, *value;
    } all[] = {
        { "instance directory", p->dir },        { "service id", p->service },
        { "listen address", p->listen },         { "gateway address", p->gateway },
        { "upstream", p->upstream },             { "CA file", p->upstream_ca },
        { "CA file", p->system_ca },             { "data directory", p->web },
        { "nginx module path", p->module },
        { "demo socket", p->upstream_socket != NULL ? p->upstream_socket : "" },
    };
    pl_rc rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && i < sizeof all / sizeof all[0]; i++)
        rc = value_check(all[i].what, all[i].value, err);
    return rc;
}

/* --- parts ----------------------------------------------------------------------------- */

static void put_main(const pl_nginx_params *p, pl_buf *o)
{
    pl_buf_puts(o, "# Written by `plumbline up` at every start: edit plumbline.yaml instead.\n");
    pl_buf_puts(o, "daemon off;\nmaster_process on;\n");
    if (p->as_root)
        pl_buf_puts(o, "user root;\n");
    if (p->workers > 0)
        pl_buf_printf(o, "worker_processes %d;\n", p->workers);
    else
        pl_buf_puts(o, "worker_processes auto;\n");
    pl_buf_puts(o, "# Streams that are open at a reload may go on this long.\n"
                   "worker_shutdown_timeout 300s;\n");
    pl_buf_printf(o, "load_module \"%s\";\n", p->module);
    pl_buf_printf(o, "pid \"%s/nginx/nginx.pid\";\n", p->dir);
    pl_buf_printf(o, "error_log \"%s/log/nginx-error.log\" notice;\n", p->dir);
    pl_buf_puts(o, "env PLUMBLINE_UPSTREAM_KEY;\n\nevents {\n    worker_connections 4096;\n}\n\n");
}

static void put_temp_paths(const pl_nginx_params *p, pl_buf *o)
{
    static const char *const kinds[] = { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        pl_buf_printf(o, "    %s_temp_path \"%s/nginx/%s\";\n", kinds[i], p->dir, kinds[i]);
}

static void put_http_head(const pl_nginx_params *p, pl_buf *o)
{
    pl_buf_puts(o, types);
    put_temp_paths(p, o);
    pl_buf_puts(o, log_format);
    pl_buf_printf(o, "    # Buffered: no request waits for a write.\n"
                     "    access_log \"%s/log/access.log\" plumbline buffer=64k flush=1s;\n",
                  p->dir);
    pl_buf_puts(o, "    server_tokens off;\n    sendfile on;\n    tcp_nopush on;\n"
                   "    keepalive_timeout 75s;\n    client_header_timeout 30s;\n"
                   "    client_body_timeout 30s;\n"
                   "    # Here, so that gateway.d may say otherwise.\n"
                   "    proxy_connect_timeout 10s;\n    proxy_read_timeout 300s;\n"
                   "    proxy_send_timeout 60s;\n"
                   "    # Another server is tried only where nothing was sent: a model is not asked twice.\n"
                   "    proxy_next_upstream error timeout;\n"
                   "    proxy_next_upstream_tries 3;\n\n");
    pl_buf_printf(o, "    plumbline_dir \"%s/gateway\";\n", p->dir);
    pl_buf_printf(o, "    plumbline_service \"%s\";\n", p->service);
    pl_buf_printf(o, "    plumbline_index_key \"%s/keys/index.key\";\n", p->dir);
    pl_buf_printf(o, "    plumbline_max_response %llu;\n\n", (unsigned long long)p->max_response);
}

/* Answers take from a second to minutes: who has the fewest open gets the next. A server is
 * left alone for ten seconds after two failures within ten, then tried with one request. */
static void put_servers(const pl_upstreams *u, pl_buf *o)
{
    if (u->n > 1)
        pl_buf_puts(o, "        zone plumbline_model 256k;\n        least_conn;\n");
    for (size_t i = 0; i < u->n; i++) {
        pl_buf_printf(o, "        server %s:%u", u->server[i].host, u->server[i].port);
        if (u->n > 1)
            pl_buf_printf(o, " weight=%u max_fails=2 fail_timeout=10s%s", u->server[i].weight,
                          u->server[i].is_backup ? " backup" : "");
        pl_buf_puts(o, ";\n");
    }
}

static void put_upstreams(const pl_nginx_params *p, const pl_upstreams *u, pl_buf *o)
{
    pl_buf_puts(o, "    upstream plumbline_model {\n");
    if (p->upstream_socket != NULL)
        pl_buf_printf(o, "        server \"unix:%s\"; # the demo upstream\n", p->upstream_socket);
    else
        put_servers(u, o);
    pl_buf_puts(o, "        keepalive 64;\n        keepalive_timeout " UPSTREAM_IDLE ";\n    }\n");
    pl_buf_printf(o, "    upstream plumbline_daemon {\n"
                     "        server \"unix:%s/run/plumblined.sock\";\n"
                     "        keepalive 8;\n    }\n\n", p->dir);
}

/* Headers a client must be able to trust come from the gateway or not at all. */
static void put_hidden_headers(pl_buf *o)
{
    static const char *const names[] = { "request-id", "policy",       "verdict",
                                         "label",      "ai-generated", "event-digest" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        pl_buf_printf(o, "        proxy_hide_header x-plumbline-%s;\n", names[i]);
}

static void put_tls(const pl_nginx_params *p, const pl_upstream_url *u, pl_buf *o)
{
    if (!u->is_https)
        return;
    pl_buf_puts(o, "        proxy_ssl_server_name on;\n");
    pl_buf_printf(o, "        proxy_ssl_name %s;\n", u->host);
    pl_buf_puts(o, "        proxy_ssl_verify on;\n        proxy_ssl_verify_depth 5;\n"
                   "        proxy_ssl_protocols TLSv1.2 TLSv1.3;\n");
    pl_buf_printf(o, "        proxy_ssl_trusted_certificate \"%s\";\n",
                  p->upstream_ca[0] != '\0' ? p->upstream_ca : p->system_ca);
}

/* What every location of the gateway's server says to the upstream; inherited by them. */
static void put_proxy_common(const pl_nginx_params *p, const pl_upstream_url *u, pl_buf *o)
{
    if (p->upstream_socket != NULL)
        pl_buf_puts(o, "        proxy_set_header Host demo-upstream;\n");
    else if (u->default_port)
        pl_buf_printf(o, "        proxy_set_header Host %s;\n", u->host);
    else
        pl_buf_printf(o, "        proxy_set_header Host %s:%u;\n", u->host, u->port);
    pl_buf_puts(o, "        proxy_http_version 1.1;\n"
                   "        proxy_set_header Connection \"\";\n"
                   "        # What is compressed cannot be screened.\n"
                   "        proxy_set_header Accept-Encoding \"\";\n"
                   "        proxy_set_header Authorization $plumbline_authorization;\n"
                   "        # A key the client meant for us is none of the upstream's business\n"
                   "        # when the upstream's own key is used.\n"
                   "        proxy_set_header Api-Key $plumbline_api_key;\n"
                   "        proxy_set_header X-Api-Key $plumbline_x_api_key;\n"
                   "        # The upstream does not steer the gateway: a redirect inside would\n"
                   "        # lead around the guard.\n"
                   "        proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate\n"
                   "                             X-Accel-Buffering X-Accel-Charset;\n"
                   "        # Streams are passed on event by event all the same; whole answers\n"
                   "        # are collected by the module, never in files.\n"
                   "        proxy_buffering on;\n"
                   "        proxy_max_temp_file_size 0;\n"
                   "        proxy_request_buffering on;\n");
    put_tls(p, u, o);
    put_hidden_headers(o);
}

static void put_location(const pl_upstream_url *u, const char *match, const char *path,
                         const char *extra, pl_buf *o)
{
    size_t base = strlen(u->base);

    /* base stands in for /v1; what is not below /v1 stands beside it */
    if (strncmp(path, "/v1", 3) == 0) {
        path += 3;
    } else {
        while (base > 0 && u->base[base - 1] != '/')
            base--;
        base -= base > 0;
    }
    pl_buf_printf(o, "        location %s {\n%s            proxy_pass %s://plumbline_model%.*s%s;\n"
                     "        }\n", match, extra, u->is_https ? "https" : "http", (int)base, u->base,
                  path);
}

static void put_surfaces(const pl_upstream_url *u, pl_buf *o)
{
    const pl_surface *s;
    char              match[128];

    pl_buf_puts(o, "\n        # The surfaces that are understood; \"default\" is a route of the policy.\n");
    for (size_t i = 0; (s = pl_surface_each(i)) != NULL; i++) {
        snprintf(match, sizeof match, "= %s", pl_surface_route(s));
        put_location(u, match, pl_surface_route(s), "            plumbline default;\n", o);
    }
    pl_buf_puts(o, "        # Other paths of these APIs: the route says whether they pass.\n");
    put_location(u, "/v1/", "/v1/", "            plumbline default;\n", o);
    put_location(u, "/api/", "/api/", "            plumbline default;\n", o);
    pl_buf_puts(o, "        location = /v1 {\n            return 404;\n        }\n"
                   "        location = /api {\n            return 404;\n        }\n");
}

static void put_gateway(const pl_nginx_params *p, const pl_upstream_url *u, pl_buf *o)
{
    unsigned long long max = (unsigned long long)p->max_body;

    pl_buf_puts(o, "    map $plumbline_own_key $plumbline_api_key {\n"
                   "        1 \"\";\n        default $http_api_key;\n    }\n"
                   "    # Anthropic's API takes the key here.\n"
                   "    map \"$plumbline_own_key$uri\" $plumbline_x_api_key {\n"
                   "        \"~^1.*/messages$\" $plumbline_upstream_key;\n"
                   "        \"~^1\" \"\";\n        default $http_x_api_key;\n    }\n\n");
    pl_buf_printf(o, "    # The gateway: what clients of the AI service talk to.\n"
                     "    server {\n        listen %s;\n        server_name _;\n\n"
                     "        # Yours: tenants, subjects, a guard model. Kept when this file is written again.\n"
                     "        include \"%s/nginx/gateway.d/*.conf\";\n\n", p->gateway, p->dir);
    pl_buf_puts(o, "        error_page " GATEWAY_ERRORS "\n            @plumbline_error;\n");
    pl_buf_puts(o, "        location @plumbline_error {\n            plumbline_error;\n"
                   "        }\n\n");
    pl_buf_printf(o, "        client_max_body_size %llu;\n"
                     "        client_body_buffer_size %llu;\n"
                     "        client_body_in_single_buffer on;\n", max, max);
    put_proxy_common(p, u, o);
    put_surfaces(u, o);
    put_location(u, "= /v1/models", "/v1/models",
                 "            if ($request_method !~ ^(GET|HEAD)$) {\n"
                 "                return 405;\n            }\n", o);
    pl_buf_puts(o, "\n        # Says that nginx serves; the console's /healthz speaks of the rest.\n"
                   "        location = /healthz {\n"
                   "            access_log off;\n"
                   "            default_type application/json;\n"
                   "            return 200 '{\"status\":\"ok\"}';\n"
                   "        }\n\n"
                   "        # A path that nobody judges does not reach the model.\n"
                   "        location / {\n            return 404;\n        }\n    }\n\n");
}

static void put_daemon_location(const char *match, const char *extra, pl_buf *o)
{
    pl_buf_printf(o, "        location %s {\n%s            proxy_pass http://plumbline_daemon;\n",
                  match, extra);
    pl_buf_puts(o, daemon_headers);
    pl_buf_puts(o, "        }\n");
}

static void put_ledger(const pl_nginx_params *p, pl_buf *o)
{
    pl_buf_puts(o, "\n        # The log as files (C2SP tlog-tiles); nothing else of its folder.\n");
    pl_buf_printf(o, "        location ~ \"^/ledger/(checkpoint|witnessed|"
                     "timestamp/[0-9]+[.]note)$\" {\n"
                     "            alias \"%s/ledger/$1\";\n            types {}\n"
                     "            default_type \"text/plain; charset=utf-8\";\n"
                     "            expires -1;\n"
                     "            add_header X-Content-Type-Options nosniff always;\n        }\n",
                  p->dir);
    pl_buf_printf(o, "        # A tile never changes under its name, nor does a time stamp.\n"
                     "        location ~ \"^/ledger/(tile/[0-9a-z/.]+|timestamp/[0-9]+[.]tsr)$\" {\n"
                     "            alias \"%s/ledger/$1\";\n            types {}\n"
                     "            default_type application/octet-stream;\n"
                     "            gzip on;\n            gzip_types application/octet-stream;\n"
                     "            add_header Cache-Control \"public, max-age=31536000, "
                     "immutable\";\n"
                     "            add_header X-Content-Type-Options nosniff always;\n        }\n",
                  p->dir);
    pl_buf_puts(o, "        location /ledger/ {\n            return 404;\n        }\n\n");
}

/* Names under assets/ change with their content; every other path is a page of the
 * console and is index.html, which must be asked for again each time. */
static void put_pages(pl_buf *o)
{
    pl_buf_puts(o, "        location /assets/ {\n            try_files $uri =404;\n"
                   "            expires 30d;\n            charset utf-8;\n");
    pl_buf_puts(o, page_headers);
    pl_buf_puts(o, "        }\n        location / {\n            try_files $uri /index.html =404;\n"
                   "            expires -1;\n            charset utf-8;\n");
    pl_buf_puts(o, page_headers);
    pl_buf_puts(o, "        }\n");
}

/* The page with which anybody checks evidence packages. */
static void put_verify(const pl_nginx_params *p, pl_buf *o)
{
    pl_buf_printf(o, "        location = /verify.html {\n            alias \"%s/../verify.html\";\n"
                     "            expires -1;\n            charset utf-8;\n", p->web);
    pl_buf_puts(o, verify_headers);
    pl_buf_puts(o, "        }\n");
}

static void put_console(const pl_nginx_params *p, pl_buf *o)
{
    pl_buf_printf(o, "    # The console, its API and the public ledger.\n"
                     "    server {\n        listen %s;\n        server_name _;\n"
                     "        root \"%s\";\n\n", p->listen, p->web);
    pl_buf_puts(o, "        error_page 502 504 =503 @daemon_away;\n"
                   "        location @daemon_away {\n"
                   "            default_type application/problem+json;\n"
                   "            return 503 '{\"type\":\"about:blank\",\"title\":\"plumblined does "
                   "not answer\",\"status\":503}';\n        }\n\n");
    put_daemon_location("/api/", "            client_max_body_size 8m;\n", o);
    put_daemon_location("= /healthz", "            access_log off;\n", o);
    put_daemon_location("= /metrics", "            access_log off;\n", o);
    put_ledger(p, o);
    put_verify(p, o);
    put_pages(o);
    pl_buf_puts(o, "    }\n");
}

pl_rc pl_nginx_conf(const pl_nginx_params *p, pl_buf *out, pl_error *err)
{
    pl_upstreams u = { .url.base = "/v1" };
    pl_rc        rc = values_check(p, err);

    if (rc == PL_OK && p->upstream_socket == NULL)
        rc = pl_upstreams_parse(p->upstream, &u, err);
    if (rc != PL_OK)
        return rc;
    put_main(p, out);
    pl_buf_puts(out, "http {\n");
    put_http_head(p, out);
    put_upstreams(p, &u, out);
    put_gateway(p, &u.url, out);
    put_console(p, out);
    pl_buf_puts(out, "}\n");
    return pl_buf_check(out, err);
}
