// A second nginx over the same gateway whose clients speak HTTP/2.
import fs from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cleanEnv, freePorts, NGINX } from './product.mjs';

/** Calls fn with a function that posts a JSON value to a path: {status, headers, buf}. */
export async function overHttp2(product, fn) {
  const [port, other] = await freePorts(2);
  const dir = path.join(product.dir, 'h2');
  fs.mkdirSync(path.join(dir, 'nginx'), { recursive: true });
  const { port: gatewayPort } = new URL(product.gateway);
  const { port: consolePort } = new URL(product.console);
  const conf = fs.readFileSync(path.join(product.dir, 'nginx/nginx.conf'), 'utf8')
    .replace(`listen 127.0.0.1:${gatewayPort};`, `listen 127.0.0.1:${port} http2;`).replace(`listen 127.0.0.1:${consolePort};`, `listen 127.0.0.1:${other};`)
    .replace(/pid "[^"]+"/, `pid "${dir}/nginx.pid"`).replace(/error_log "[^"]+"/, `error_log "${dir}/error.log"`).replace(/worker_processes \w+/, 'worker_processes 1');
  fs.writeFileSync(path.join(dir, 'nginx.conf'), conf);
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', NGINX, '-p', dir, '-c', path.join(dir, 'nginx.conf')], { env: cleanEnv(), stdio: 'ignore' });
  try {
    await product.until('nginx speaks HTTP/2', () => new Promise((r) => {
      const c = http2.connect(`http://127.0.0.1:${port}`, () => { c.close(); r(true); });
      c.on('error', () => r(false));
    }));
    const client = http2.connect(`http://127.0.0.1:${port}`);
    await fn(async (value, route = '/v1/chat/completions') => {
      const s = client.request({ ':method': 'POST', ':path': route, 'content-type': 'application/json' });
      const parts = [];
      s.on('data', (d) => parts.push(d));
      const [head] = await Promise.all([once(s, 'response').then(([h]) => h), (async () => { s.end(JSON.stringify(value)); await once(s, 'end'); })()]);
      return { status: head[':status'], headers: head, buf: Buffer.concat(parts) };
    });
    client.close();
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}
