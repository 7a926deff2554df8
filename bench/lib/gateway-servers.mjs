// What the gateway benchmark runs: one upstream, and in front of it a plain nginx, our gateway
// under several policies, and the rivals.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import assert from 'node:assert/strict';
import { cleanEnv, descendants, freePorts, NGINX, ROOT, run, STAGE, startProduct } from '../../tests/gateway/lib/product.mjs';
import { chat } from '../../tests/gateway/lib/client.mjs';

export const TOKENS = 200; // of a streamed answer
export const words = Array.from({ length: TOKENS }, (_, i) => `word${i} and more `);
const answer = JSON.stringify({
  id: 'chatcmpl-bench', object: 'chat.completion', created: 1760000000, model: 'bench',
  choices: [{ index: 0, message: { role: 'assistant', content: 'A fixed answer of a kilobyte. '.repeat(26).trim() }, logprobs: null, finish_reason: 'stop' }],
  usage: { prompt_tokens: 200, completion_tokens: 200, total_tokens: 400 },
});
const chunk = (c) => `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1760000000, model: 'bench', choices: [c] })}\n\n`;
const events = [...words.map((content) => ({ index: 0, delta: { content }, finish_reason: null })), { index: 0, delta: {}, finish_reason: 'stop' }].map(chunk).join('');

// --- nginx: the upstream and the rivals of that kind ------------------------------------------------

const common = (dir, log, modules = '') => `
daemon off;
${modules}
pid ${dir}/nginx.pid;
error_log ${dir}/error.log warn;
worker_processes auto;
worker_rlimit_nofile 16384;
events { worker_connections 4096; }
http {
  client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
  access_log ${log};
  keepalive_timeout 75s; keepalive_requests 1000000; sendfile on; tcp_nopush on; server_tokens off;
`;

const upstreamConf = (dir, port) => `${common(dir, 'off')}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    client_body_buffer_size 4m; client_max_body_size 8m;
    location / {
      if ($http_x_bench = sse) { rewrite ^ /sse last; }
      default_type application/json;
      return 200 '${answer}';
    }
    # a file, because a string of nginx.conf ends at 4 KB; the 405 is what files say to a POST
    location = /sse { internal; types { } default_type text/event-stream; alias ${dir}/answer.sse; error_page 405 =200 /sse; }
  }
}`;

// The same proxy settings as the gateway's own configuration, without the module.
const proxyConf = (dir, port, upstream, { modules, rules } = {}) => `${common(dir, `${dir}/access.log`, modules)}
  upstream model { server ${upstream}; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    ${rules ? `modsecurity on; modsecurity_rules_file ${rules};` : ''}
    location = /v1/chat/completions {
      proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Accept-Encoding "";
      proxy_buffering off; proxy_request_buffering on; client_max_body_size 4m; client_body_buffer_size 4m;
    }
  }
}`;

async function answers(url, headers = {}) {
  for (let i = 0; i < 200; i++) {
    try {
      if ((await chat(url, { model: 'bench', messages: [{ role: 'user', content: 'hello' }] }, { headers })).status === 200) return true;
    } catch {
      // not listening yet
    }
    await sleep(50);
  }
  return false;
}

async function startChild(name, file, args, url, { headers, env } = {}) {
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', file, ...args], { env: cleanEnv(env), stdio: ['ignore', 'ignore', 'inherit'] });
  if (!(await answers(url, headers))) {
    child.kill();
    throw new Error(`${name} does not answer at ${url}`);
  }
  return child;
}

async function startNginx(dir, conf, url) {
  const file = path.join(dir, 'nginx.conf');
  fs.writeFileSync(file, conf);
  return startChild(`nginx in ${dir}`, NGINX, ['-p', dir, '-c', file], url);
}

// --- contenders ---------------------------------------------------------------------------------------
//
// {name, version, url, pids, behind, stop}: pids serve, those behind do the rest of the work.

const nothing = () => [];
const ended = (child) => async () => {
  child.kill('SIGTERM');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
};

export async function startUpstream(base) {
  const dir = path.join(base, 'up');
  fs.mkdirSync(dir);
  fs.writeFileSync(path.join(dir, 'answer.sse'), `${events}data: [DONE]\n\n`);
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const child = await startNginx(dir, upstreamConf(dir, port), url);
  return { url, address: `127.0.0.1:${port}`, stop: ended(child) };
}

async function nginxContender(base, name, version, upstream, extra) {
  const dir = path.join(base, name);
  fs.mkdirSync(dir);
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const child = await startNginx(dir, proxyConf(dir, port, upstream, extra), url);
  return { name, version, url, pids: () => descendants(child.pid).map((p) => p.pid), behind: nothing, stop: ended(child) };
}

export async function startPlain(base, upstream) {
  const version = /nginx\/(\S+)/.exec((await run(NGINX, ['-v'])).stderr)?.[1];
  return nginxContender(base, 'nginx', version, upstream);
}

const debianVersion = async (name) => /^(\S+)/.exec((await run('dpkg-query', ['-W', '-f=${Version}', name])).stdout)?.[1];

/** The recommended rules of the package, switched on, or those and the whole Core Rule Set. */
export async function startModSecurity(base, upstream, crs) {
  const name = crs ? 'modsecurity_crs' : 'modsecurity';
  const rules = path.join(base, `${name}.conf`);
  const recommended = fs.readFileSync('/etc/nginx/modsecurity.conf', 'utf8')
    .replace(/^SecRuleEngine .*/m, 'SecRuleEngine On').replace(/^SecAuditLog .*/m, `SecAuditLog ${base}/${name}.audit`)
    .replace(/^SecUnicodeMapFile .*/m, '').replace(/^SecRequestBodyNoFilesLimit .*/m, 'SecRequestBodyNoFilesLimit 1048576');
  const load = fs.readFileSync('/usr/share/modsecurity-crs/owasp-crs.load', 'utf8').replaceAll('IncludeOptional', 'Include');
  fs.writeFileSync(rules, recommended + (crs ? load : ''));
  const versions = await Promise.all(['libmodsecurity3', 'modsecurity-crs'].map(debianVersion));
  return nginxContender(base, name, versions.slice(0, crs ? 2 : 1).join(', CRS '), upstream, {
    modules: 'load_module /usr/lib/nginx/modules/ngx_http_modsecurity_module.so;', rules,
  });
}

/** An npm package of its own lock file: nothing of the product should be installed with it. */
export async function startPortkey(upstreamUrl) {
  const dir = path.join(ROOT, 'bench/rivals');
  const main = path.join(dir, 'node_modules/@portkey-ai/gateway');
  if (!fs.existsSync(main)) await run('npm', ['ci', '--ignore-scripts'], { cwd: dir, timeout: 300_000 });
  const { version } = JSON.parse(fs.readFileSync(path.join(main, 'package.json'), 'utf8'));
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const host = `${upstreamUrl}/v1`;
  const headers = { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': host, authorization: 'Bearer sk-bench' };
  const child = await startChild('portkey', path.join(ROOT, 'tools/node'), [path.join(main, 'build/start-server.js'), `--port=${port}`, '--headless'], url,
    { headers, env: { NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' } });
  return { name: 'portkey', version, url, host, headers, pids: () => descendants(child.pid).map((p) => p.pid), behind: nothing, stop: ended(child) };
}

// --- ours -----------------------------------------------------------------------------------------------

const LABEL = '{explicit: true, zh: 内容由AI生成, en: AI生成 · AI-generated content}';
const ANSWERS = '{default: {zh: 不能回答, en: "not answered"}}';
/** Personal and secret data with a structure. */
export const STRUCTURED = '[pii.email, pii.phone, pii.cn_mobile, pii.cn_id, pii.bank_card, pii.uscc, pii.passport, pii.plate, pii.ip, pii.url, pii.iban, pii.us_ssn, secret.api_key, secret.private_key, secret.url_credential]';
export const ACTS = '[{category: "harm.*", min_severity: 2, action: block}, {category: "*", action: log}]';

/** Everything that can be judged, in both directions, and the label. */
export const FULL = `policy: full
version: 1
packs: [lexicon-starter]
detectors: all
model: {pack: model-default, severity: 1}
routes: {default: {input: ${ACTS}, output: ${ACTS}, label: ${LABEL}, answers: ${ANSWERS}}}
`;

/** Keywords and structured personal data in requests; answers pass as they are. */
export const REQUESTS = `policy: requests
version: 1
packs: [lexicon-starter]
detectors: ${STRUCTURED}
routes: {default: {input: ${ACTS}, output: [{category: "*", action: allow}], label: {explicit: false}, answers: ${ANSWERS}}}
`;

/** Bytes of memory that belong to these processes alone. */
export function memory(pids) {
  let kb = 0;
  for (const pid of pids)
    for (const m of fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8').matchAll(/^(?:Private_Dirty|Private_Clean|Swap): +(\d+) kB$/gm)) kb += Number(m[1]);
  return kb * 1024;
}

/** policy: a source, or nothing for the one that is shipped. */
export async function startOurs(name, upstreamUrl, policy) {
  const product = await startProduct({
    upstream: upstreamUrl,
    configure: policy && ((dir) => fs.writeFileSync(path.join(dir, 'policy/default.yaml'), policy)),
  });
  const { version } = JSON.parse((await run(path.join(STAGE, 'bin/plumbline'), ['version', '--json'])).stdout || '{}');
  return {
    name, version: version ?? '', url: product.gateway, product,
    pids: () => [...product.pids().workers, product.pids().nginx], behind: () => [product.pids().daemon],
    stop: async () => {
      const { json } = await product.api('GET', '/api/v1/overview');
      await product.stop();
      assert.equal(json.counters.lost, 0, 'every request left its event');
    },
  };
}

// --- an upstream whose streams stay open ------------------------------------------------------------------

export async function startOpenStreams() {
  const open = new Set();
  const server = http.createServer(async (req, res) => {
    let body = '';
    for await (const part of req) body += part;
    if (!JSON.parse(body).stream) {
      res.writeHead(200, { 'content-type': 'application/json' }).end(answer);
      return;
    }
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.write(words.slice(0, 20).map((content) => chunk({ index: 0, delta: { content }, finish_reason: null })).join(''));
    open.add(res);
    res.on('close', () => open.delete(res));
  }).listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  server.maxConnections = 10_000;
  return {
    url: `http://127.0.0.1:${server.address().port}`, address: `127.0.0.1:${server.address().port}`, open,
    async stop() {
      for (const res of open) res.destroy();
      server.closeAllConnections();
      await new Promise((r) => { server.close(r); });
    },
  };
}
