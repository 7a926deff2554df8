// Text and keywords of the text benchmark: made from the data set, the same every time.
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';

const FOLDERS = ['corpora', 'ai-text-detection', 'safety-prompts', 'toxicity-bias'];
const HAN = /[\u4e00-\u9fff]/g;

/** Numbers in [0, n), from a seed (mulberry32). */
export function random(seed) {
  let a = seed >>> 0;
  return (n) => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

function shuffle(list, rnd) {
  for (let i = list.length - 1; i > 0; i--) {
    const j = rnd(i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

function* strings(value) {
  if (typeof value === 'string') yield value;
  else if (value && typeof value === 'object') for (const v of Object.values(value)) yield* strings(v);
}

/** Unique lines of the data set, Chinese and other ones apart. */
export function lines(data) {
  const seen = new Set();
  const [zh, en] = [[], []];
  for (const folder of FOLDERS) {
    for (const name of fs.readdirSync(path.join(data, folder)).sort()) {
      if (!/\.jsonl(\.zst)?$/.test(name)) continue;
      const bytes = fs.readFileSync(path.join(data, folder, name));
      const text = (name.endsWith('.zst') ? zlib.zstdDecompressSync(bytes) : bytes).toString('utf8');
      for (const record of text.split('\n')) {
        if (!record) continue;
        for (const s of strings(JSON.parse(record))) {
          if (s.length < 12) continue;
          for (const line of s.split('\n')) {
            if (!line.trim() || seen.has(line)) continue;
            seen.add(line);
            ((line.match(HAN)?.length ?? 0) * 5 > line.length ? zh : en).push(line);
          }
        }
      }
    }
  }
  return { zh, en };
}

/** Writes half Chinese, half other text, in runs of about 4 KiB, until it has `size` bytes. */
export function writeCorpus({ zh, en }, size, file) {
  const rnd = random(1);
  const out = fs.openSync(file, 'w');
  const feeds = [zh, en].map((list) => ({ list: [...list], at: list.length }));
  let total = 0;
  for (let turn = 0; total < size; turn ^= 1) {
    const feed = feeds[turn];
    let run = '';
    for (let bytes = 0; bytes < 4096;) {
      if (feed.at === feed.list.length) {
        shuffle(feed.list, rnd);
        feed.at = 0;
      }
      const line = `${feed.list[feed.at++]}\n`;
      run += line;
      bytes += Buffer.byteLength(line);
    }
    total += fs.writeSync(out, run);
  }
  fs.closeSync(out);
}

/** Words that may become keywords: pieces of the text, and pieces of two words put together. */
export class WordMaker {
  constructor({ zh, en }, seed) {
    this.rnd = random(seed);
    this.runs = zh.flatMap((line) => line.match(/[\u4e00-\u9fff]{2,}/g) ?? []);
    this.words = [...new Set(en.flatMap((line) => line.match(/[A-Za-z]{2,12}/g) ?? []))].sort();
  }

  length() {
    return [2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 6, 7, 8][this.rnd(13)];
  }

  real(zh) {
    if (!zh) {
      const w = this.words[this.rnd(this.words.length)];
      return w.length <= 8 ? w : w.slice(0, 8);
    }
    const run = this.runs[this.rnd(this.runs.length)];
    const n = Math.min(this.length(), run.length);
    const at = this.rnd(run.length - n + 1);
    return run.slice(at, at + n);
  }

  made(zh) {
    const [a, b] = [this.real(zh), this.real(zh)];
    return (a.slice(0, 1 + this.rnd(4)) + b.slice(0, 1 + this.rnd(4))).slice(0, 8);
  }

  /** n different words, 80 % Chinese; share: how many of them are pieces of the text. */
  many(n, share, avoid = new Set()) {
    const out = new Set();
    const put = (zh, real, target) => {
      for (let tries = 0; out.size < target && tries < 40 * n; tries++) {
        const w = real ? this.real(zh) : this.made(zh);
        if (w.length >= 2 && !avoid.has(w)) out.add(w);
      }
    };
    const zh = Math.round(n * 0.8);
    put(true, true, Math.round(zh * share));
    put(true, false, zh);
    // A language has only so many words: the rest is made up.
    put(false, true, Math.min(zh + Math.round((n - zh) * share), zh + Math.floor(this.words.length / 3)));
    put(false, false, n);
    return [...out];
  }
}

/** Words of the text by how often they occur, most frequent first: [word, times per KB of it]. */
export function frequent({ zh, en }) {
  const count = new Map();
  const add = (w) => count.set(w, (count.get(w) ?? 0) + 1);
  let bytes = 0;
  // each language fills half of the corpus
  const take = (list, each) => {
    let own = 0;
    for (const line of list) {
      own += Buffer.byteLength(line) + 1;
      if (own > 4e6) break;
      each(line);
    }
    bytes += own;
  };
  take(zh, (line) => {
    for (const run of line.match(/[\u4e00-\u9fff]{2,}/g) ?? [])
      for (let i = 0; i + 2 <= run.length; i++)
        for (const n of [2, 3, 4]) if (i + n <= run.length) add(run.slice(i, i + n));
  });
  take(en, (line) => (line.match(/[A-Za-z]{3,8}/g) ?? []).forEach(add));
  return [...count].filter(([, n]) => n > 20).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([w, n]) => [w, (n * 1024) / bytes]);
}
