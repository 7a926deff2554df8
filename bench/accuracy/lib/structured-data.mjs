// Synthetic texts with personal and secret data of fixed structure, and with what only looks like
// it. Values follow the standards named beside each maker; check digits are computed here, not
// by the detectors. Contexts were written before the detectors' word lists were looked at, as people
// write in forms, chats, logs and letters. Seeded: the same seed gives the same texts.

export function rng(seed) {
  let a = seed >>> 0;
  const next = () => { // mulberry32
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const int = (n) => Math.floor(next() * n);
  const pick = (xs) => xs[int(xs.length)];
  const digits = (n) => Array.from({ length: n }, () => int(10)).join('');
  const from = (set, n) => Array.from({ length: n }, () => set[int(set.length)]).join('');
  return { next, int, pick, digits, from, chance: (p) => next() < p };
}

const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const LOWER = UPPER.toLowerCase();
const DIGITS = '0123456789';
const ALNUM = UPPER + LOWER + DIGITS;
const HEX = '0123456789abcdef';

// --- values -----------------------------------------------------------------------------------------

const fullWidth = (s) => [...s].map((c) => (c >= '!' && c <= '~' ? String.fromCodePoint(c.codePointAt(0) + 0xfee0) : c)).join('');
const group = (s, sizes, sep) => {
  let i = 0;
  return sizes.map((n) => s.slice(i, (i += n))).join(sep);
};

/** ISO/IEC 7812-1 Annex B: the digit that makes the sum a multiple of ten. */
function luhnDigit(body) {
  let sum = 0;
  [...body].reverse().forEach((d, i) => { const v = i % 2 === 0 ? d * 2 : +d; sum += v > 9 ? v - 9 : v; });
  return String((10 - (sum % 10)) % 10);
}

/** GB 11643: ISO 7064 MOD 11-2, by the definition: the weighted sum with the check is 1 mod 11. */
function idCheck(body) {
  const sum = [...body].reduce((s, d, i) => s + d * (2 ** (17 - i) % 11), 0);
  const check = (((1 - sum) % 11) + 11) % 11;
  return check === 10 ? 'X' : String(check);
}

/** GB 32100, by the definition: weights are powers of three modulo 31. */
function usccCheck(body) {
  const set = '0123456789ABCDEFGHJKLMNPQRTUWXY';
  let w = 1, sum = 0;
  for (const c of body) { sum += set.indexOf(c) * w; w = (w * 3) % 31; }
  return set[(31 - (sum % 31)) % 31];
}

/** ISO 13616: check digits from the remainder modulo 97. */
function iban(country, bban) {
  const number = [...`${bban}${country}00`].map((c) => (/\d/.test(c) ? c : String(c.charCodeAt(0) - 55))).join('');
  return country + String(98n - (BigInt(number) % 97n)).padStart(2, '0') + bban;
}

// County codes of GB/T 2260 as they stand in everyday examples.
const COUNTIES = ['110101', '110105', '110108', '120101', '130102', '140105', '150102', '210102', '220102', '230102', '310101', '310104', '310115', '320102', '320505', '330102', '330106', '340102', '350102', '360102', '370102', '370202', '410102', '420102', '420106', '430102', '440103', '440106', '440305', '450102', '460105', '500103', '510104', '510107', '520102', '530102', '540102', '610102', '610113', '620102', '630102', '640104', '650102'];
const PROVINCES = [...'京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼'];
const two = (n) => String(n).padStart(2, '0');
const date = (r, from, to) => { const m = 1 + r.int(12); return { y: from + r.int(to - from), m, d: 1 + r.int([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][m - 1]) }; };
const idBody = (r) => { const d = date(r, 1940, 2015); return r.pick(COUNTIES) + d.y + two(d.m) + two(d.d) + r.digits(3); };
const cnId = (r) => { const b = idBody(r); return b + idCheck(b); };
const mobile = (r) => r.pick(['130', '131', '132', '133', '134', '135', '136', '137', '138', '139', '145', '147', '150', '151', '152', '155', '156', '157', '158', '159', '166', '170', '173', '175', '176', '177', '178', '180', '181', '182', '183', '185', '186', '187', '188', '189', '191', '193', '195', '198', '199']) + r.digits(8);
const NAMES = ['wang.wei', 'li_na', 'zhangsan', 'chen-x', 'j.doe', 'maria.garcia', 'a.kowalski', 'support', 'hr', 'qin1987', 'tom', 'lin+news', 'xu.min88', 'yamada'];
const HOSTS = ['example.com', 'mail.example.org', 'qq.com', '163.com', 'corp-mail.cn', 'shop.example.co.uk', 'gov.cn', 'uni-bonn.de', 'foo.io', 'sina.com.cn', 'data.example.net'];

const cards = [[['4'], 16], [['51', '52', '53', '54', '55', '2221', '2720'], 16], [['34', '37'], 15], [['6011', '65'], 16], [['3528', '3589'], 16], [['62'], 16], [['62'], 19], [['62'], 19], [['622202', '621226', '621700'], 19]];
function card(r) {
  const [heads, n] = r.pick(cards);
  const head = r.pick(heads);
  const body = head + r.digits(n - 1 - head.length);
  return body + luhnDigit(body);
}

function spelledCard(r) {
  const c = card(r);
  if (r.chance(0.55)) return c;
  const sizes = c.length === 15 ? [4, 6, 5] : c.length === 16 ? [4, 4, 4, 4] : [4, 4, 4, 4, 3];
  return group(c, sizes, r.pick([' ', ' ', '-']));
}

function spelledMobile(r) {
  const m = mobile(r);
  const x = r.next();
  if (x < 0.6) return m;
  if (x < 0.75) return group(m, [3, 4, 4], r.pick([' ', '-']));
  if (x < 0.85) return `+86${r.pick(['', ' ', '-'])}${m}`;
  if (x < 0.9) return `+86 ${group(m, [3, 4, 4], ' ')}`;
  if (x < 0.93) return `0086${m}`;
  if (x < 0.97) return fullWidth(m);
  return `${m.slice(0, 3)}\u200b${m.slice(3)}`;
}

const AREAS = ['010', '021', '022', '023', '024', '025', '027', '028', '029', '0311', '0351', '0411', '0510', '0512', '0571', '0574', '0591', '0592', '0755', '0757', '0769', '0871', '0898', '0991'];
function phone(r) {
  const area = r.pick(AREAS), local = `${2 + r.int(7)}${r.digits(7)}`;
  const nxx = `${2 + r.int(8)}${r.digits(2)}`, area3 = `${2 + r.int(8)}${r.digits(2)}`, line = r.digits(4);
  return r.pick([
    () => `${area}-${local}`, () => `（${area}）${local}`, () => `(${area}) ${local.slice(0, 4)} ${local.slice(4)}`,
    () => `${area}-${local}-${r.digits(3)}`, () => `400-${r.digits(3)}-${r.digits(4)}`, () => `+86-${area.slice(1)}-${local}`,
    () => `(${area3}) ${nxx}-${line}`, () => `${area3}-${nxx}-${line}`, () => `${area3}.${nxx}.${line}`, () => `+1 ${area3} ${nxx} ${line}`,
    () => `+44 20 ${7 + r.int(2)}${r.digits(3)} ${r.digits(4)}`, () => `+49 ${r.pick(['30', '89', '221'])} ${r.digits(7)}`,
    () => `+81-3-${r.digits(4)}-${r.digits(4)}`, () => `+33 ${1 + r.int(5)} ${group(r.digits(8), [2, 2, 2, 2], ' ')}`, () => `+65 ${6 + r.int(3)}${r.digits(3)} ${r.digits(4)}`,
    () => `+852 ${2 + r.int(7)}${r.digits(3)} ${r.digits(4)}`,
  ])();
}

const BANKS = [['GB', (r) => r.from(UPPER, 4) + r.digits(14)], ['DE', (r) => r.digits(18)], ['FR', (r) => r.digits(10) + r.from(UPPER + DIGITS, 11) + r.digits(2)], ['NL', (r) => r.from(UPPER, 4) + r.digits(10)], ['ES', (r) => r.digits(20)], ['IT', (r) => r.from(UPPER, 1) + r.digits(10) + r.from(UPPER + DIGITS, 12)], ['PL', (r) => r.digits(24)], ['CH', (r) => r.digits(5) + r.from(UPPER + DIGITS, 12)], ['NO', (r) => r.digits(11)], ['SE', (r) => r.digits(20)]];
function spelledIban(r) {
  const [country, bban] = r.pick(BANKS);
  const v = iban(country, bban(r));
  return r.chance(0.5) ? v : v.replace(/(.{4})(?=.)/g, '$1 ');
}

const USCC = '0123456789ABCDEFGHJKLMNPQRTUWXY';
function uscc(r) {
  const body = r.pick(['91', '91', '91', '92', '93', '12', '52']) + r.pick(COUNTIES) + r.pick(['MA', '7', '5', '6', 'M0']).padEnd(2, '0') + r.from(USCC, 7);
  return body + usccCheck(body);
}

const PLATE_SET = 'ABCDEFGHJKLMNPQRSTUVWXYZ';
function plate(r) {
  const head = r.pick(PROVINCES) + r.from('ABCDEFGHJK', 1);
  const dot = r.pick(['', '', '·', ' ']);
  const x = r.next();
  if (x < 0.5) return head + dot + r.digits(5);
  if (x < 0.65) return head + dot + r.from(PLATE_SET, 1) + r.digits(4);
  if (x < 0.75) return head + dot + r.digits(2) + r.from(PLATE_SET, 1) + r.digits(2);
  if (x < 0.9) return head + dot + r.pick(['D', 'F', 'A']) + r.digits(5);
  if (x < 0.95) return head + dot + r.digits(5) + r.pick(['D', 'F']);
  return head + dot + r.digits(4) + r.pick(['学', '警', '挂']);
}

function ip(r) {
  const b = () => r.int(256);
  if (r.chance(0.6)) return r.pick([() => `${1 + r.int(223)}.${b()}.${b()}.${1 + r.int(254)}`, () => `192.168.${b()}.${1 + r.int(254)}`, () => `10.${b()}.${b()}.${1 + r.int(254)}`])();
  const h = () => r.from(HEX, 1 + r.int(4)).replace(/^0+(?=.)/, '');
  return r.pick([() => Array.from({ length: 8 }, h).join(':'), () => `2001:db8::${h()}:${h()}`, () => `fe80::${h()}:${h()}:${h()}:${h()}`, () => `2408:${h()}:${h()}::${h()}`])();
}

function ssn(r) {
  const area = r.pick([() => 1 + r.int(665), () => 667 + r.int(233)])();
  return `${String(area).padStart(3, '0')}-${two(1 + r.int(99))}-${String(1 + r.int(9999)).padStart(4, '0')}`;
}

const passport = (r) => r.pick([() => `E${r.digits(8)}`, () => `E${r.from('ABCDEFGHJKLMNPQRSTUVWXYZ', 1)}${r.digits(7)}`, () => `G${r.digits(8)}`, () => `${r.from(UPPER, 1)}${r.digits(8)}`, () => `${r.from(UPPER, 2)}${r.digits(7)}`])();
const url = (r) => `${r.pick(['http', 'https', 'https', 'ftp'])}://${r.pick(HOSTS)}${r.pick(['', ':8080'])}${r.pick(['', '/', '/a/b.html', '/search?q=abc&page=2', '/docs/#intro', '/wiki/Foo_(bar)', '/p/1?x=%E4%B8%AD'])}`;
const email = (r) => `${r.pick(NAMES)}${r.chance(0.4) ? r.int(1000) : ''}@${r.pick(HOSTS)}`;
const b64url = `${ALNUM}-_`;
const jwtPart = (r, o) => Buffer.from(JSON.stringify(o)).toString('base64url');
const apiKey = (r) => r.pick([
  () => `AKIA${r.from('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 16)}`, () => `ghp_${r.from(ALNUM, 36)}`, () => `glpat-${r.from(b64url, 20)}`,
  () => `sk-proj-${r.from(b64url, 48)}`, () => `sk-${r.from(ALNUM, 48)}`, () => `sk-ant-api03-${r.from(b64url, 93)}AA`, () => `AIza${r.from(b64url, 35)}`,
  () => `xoxb-${r.digits(12)}-${r.digits(12)}-${r.from(ALNUM, 24)}`, () => `sk_live_${r.from(ALNUM, 24)}`, () => `SG.${r.from(b64url, 22)}.${r.from(b64url, 43)}`,
  () => `npm_${r.from(ALNUM, 36)}`, () => `hf_${r.from(UPPER + LOWER, 34)}`, () => `LTAI5t${r.from(ALNUM, 18)}`, () => `AKID${r.from(ALNUM, 32)}`,
  () => `${jwtPart(r, { alg: 'HS256', typ: 'JWT' })}.${jwtPart(r, { sub: r.digits(10), iat: 1516239022 })}.${r.from(b64url, 43)}`,
])();
const pem = (r) => {
  const kind = r.pick(['RSA PRIVATE KEY', 'PRIVATE KEY', 'EC PRIVATE KEY', 'OPENSSH PRIVATE KEY', 'ENCRYPTED PRIVATE KEY']);
  const lines = Array.from({ length: 3 + r.int(20) }, () => r.from(`${ALNUM}+/`, 64));
  return `-----BEGIN ${kind}-----\n${lines.join('\n')}\n${r.from(ALNUM, 20)}==\n-----END ${kind}-----`;
};

// --- contexts -------------------------------------------------------------------------------------------

const C = {
  'pii.cn_mobile': [spelledMobile, ['我的手机是@，有事随时打', '联系人：刘女士 @', '快递放门口就行，收件人 王先生，@', '{"phone":"@","city":"杭州"}', '加我微信同号@吧', '报名请发短信至@', '张三,@,北京市海淀区', 'Call me at @ tomorrow', 'my new number is @', '紧急联络人 @ （父亲）', '客户留了个电话 @ 让你回', 'mobile=@&name=li', '@', '尾款打给他之前先打@确认']],
  'pii.phone': [phone, ['公司座机@，工作日接听', '传真：@', '欢迎致电 @ 咨询', 'Tel: @', 'Please call our office at @.', 'phone number @ is no longer in service', '前台电话@转人事', '售后服务热线 @', 'Fax @, attention Ms. Brown', 'You can reach the hotel on @', '联系电话：@（何老师）', 'contact: @']],
  'pii.cn_id': [cnId, ['身份证号：@', '本人@，特此声明', '请核对证件号码@是否正确', '姓名:李雷 身份证:@', '"idcard": "@"', '王芳,女,@,汉族', '持证人 @ 已通过核验', 'ID number @ was verified', '乘客 @ 购票成功', '公民身份号码@', '被告人某某，@，住某市', '@']],
  'pii.bank_card': [spelledCard, ['请转到工行卡 @', '银行卡号：@', '卡号@，户名陈晨', 'My credit card is @, exp 09/27', 'charge it to @ please', '信用卡@已挂失', 'Visa/MC: @', '{"pan":"@"}', '工资卡 @ 开户行招商银行', 'card number @ was declined', '还款账户@', 'I paid with @ last week']],
  'pii.uscc': [uscc, ['统一社会信用代码：@', '某某科技有限公司（@）', '纳税人识别号 @', '开票信息：@，地址见附件', 'Company registration code @ (China)', '营业执照编码@', '社会信用代码@，法定代表人王五', 'code: @']],
  'pii.passport': [passport, ['护照号码：@', '护照 @ 有效期至2030年', 'Passport No. @', 'my passport number is @', '持@号护照入境', '"passport":"@"', 'travelling on passport @ issued in 2019', '因私普通护照@']],
  'pii.plate': [plate, ['车牌@，白色轿车', '停在楼下的@挡路了', '牌照号：@', '您的车辆@有违章未处理', '司机王师傅，@，五分钟到', '肇事车辆为@号小型客车', '"plate":"@"', '登记车辆 @']],
  'pii.email': [email, ['邮箱：@', '请把简历发到@。', 'Email me at @ please', 'From: "Li" <@>', '联系@或来电', 'cc @, thanks', '账号@已注册', 'mailto:@', '{"email":"@"}', '有问题请写信给 @ 。']],
  'pii.ip': [ip, ['服务器地址 @', 'Client @ connected', '登录IP：@', 'ping @ 不通', 'Failed password for root from @ port 22', 'remote_addr=@', '把DNS改成@', 'allow from @', 'host @ is down', '来自@的异常请求']],
  'pii.url': [url, ['详见 @ 。', '链接：@', 'See @ for details', 'Download it from @.', '官网@，欢迎访问', '(source: @)', '"homepage":"@"', '打开@即可', 'visit @ today!']],
  'pii.iban': [spelledIban, ['IBAN: @', 'please transfer to @ by Friday', 'Bankverbindung @', '汇款账号 @ （德国）', 'my account @ at the bank', '"iban":"@"', 'Beneficiary: J. Smith, @, ref 12']],
  'pii.us_ssn': [ssn, ['SSN: @', 'social security number @', 'My social is @', 'Employee 4711, @, hired 2019', '美国社会安全号码@', 'The applicant (@) lives in Ohio', 'tax form lists @']],
  'secret.api_key': [apiKey, ['OPENAI_API_KEY=@', 'key: "@"', 'my token is @ dont share', 'export TOKEN=@', '密钥是@，别外传', 'Authorization: Bearer @', 'aws_access_key_id = @', 'config.set("k", "@")', '调试用的 @ 已经失效', 'curl -H "x-api-key: @"']],
  'secret.private_key': [pem, ['@', 'my key:\n@\nplease keep it', '{"cert": "x"}\n@\n', '这是服务器私钥：\n@\n注意保密', 'cat id_rsa\n@']],
};

const NEGATIVES = [
  (r) => `订单号：${r.digits(16)}，预计三天内送达`, (r) => `您的订单 ${r.digits(18)} 已发货`, (r) => `运单号 ${r.pick(['SF', 'YT', 'JD'])}${r.digits(13)} 已签收`,
  (r) => `order #${r.digits(11)} shipped`, (r) => `Tracking number ${r.digits(12)}`, (r) => `invoice no. ${r.digits(10)} due`, (r) => `流水号${r.digits(20)}`,
  (r) => `时间戳 ${1600000000 + r.int(2e8)}`, (r) => `timestamp=${1600000000000 + r.int(2e8)}`, (r) => `${2000 + r.int(25)}-${two(1 + r.int(12))}-${two(1 + r.int(28))} ${two(r.int(24))}:${two(r.int(60))}:${two(r.int(60))}`,
  (r) => `${2000 + r.int(25)}${two(1 + r.int(12))}${two(1 + r.int(28))}${r.digits(6)}`, (r) => `version ${r.int(9)}.${r.int(20)}.${r.int(20)}.${r.int(300)}`, (r) => `升级到 v${r.int(9)}.${r.int(20)}.${r.int(20)}`,
  (r) => `见第${1 + r.int(9)}.${1 + r.int(9)}.${1 + r.int(9)}.${1 + r.int(9)}节`, (r) => `Section ${1 + r.int(9)}.${r.int(9)}.${r.int(9)}.${r.int(9)} applies`, (r) => `Mozilla/5.0 Chrome/${80 + r.int(50)}.0.${r.int(250)}.${r.int(200)} Safari/537.36`,
  (r) => `ISBN 978-7-${r.digits(3)}-${r.digits(5)}-${r.digits(1)}`, (r) => `ISBN-13: 978${r.digits(10)}`, (r) => `坐标 ${20 + r.int(20)}.${r.digits(6)}, ${100 + r.int(20)}.${r.digits(6)}`, (r) => `lat=${r.int(90)}.${r.digits(8)}&lng=${r.int(180)}.${r.digits(8)}`,
  (r) => `sha256:${r.from(HEX, 64)}`, (r) => `md5 ${r.from(HEX, 32)}`, (r) => `commit ${r.from(HEX, 40)}`, (r) => `uuid ${group(r.from(HEX, 32), [8, 4, 4, 4, 12], '-')}`,
  (r) => `${r.int(9)}.${r.digits(8)}e-${r.digits(2)}`, (r) => `π≈3.${r.digits(15)}`, (r) => `总价￥${r.digits(6)}.${r.digits(2)}`, (r) => `$${1 + r.int(9)},${r.digits(3)},${r.digits(3)}.00`,
  (r) => `人口 ${1 + r.int(9)},${r.digits(3)},${r.digits(3)},${r.digits(3)}`, (r) => `学号${r.digits(12)}`, (r) => `QQ群 ${r.digits(9)}`, (r) => `QQ：${1 + r.int(9)}${r.digits(9)}`, (r) => `条码 69${r.digits(11)}`, (r) => `SKU ${r.from(UPPER, 3)}-${r.digits(8)}`,
  (r) => `（${2000 + r.int(24)}）京${two(r.int(99))}民终${r.digits(5)}号`, (r) => `国发〔${2000 + r.int(24)}〕${1 + r.int(99)}号`, (r) => `MAC ${group(r.from(HEX, 12), [2, 2, 2, 2, 2, 2], ':')}`, (r) => `IMEI ${r.digits(14)}`,
  // the right form with a wrong check digit
  (r) => { const b = idBody(r); return `编码${b}${'0123456789'[(('0123456789X'.indexOf(idCheck(b)) + 1 + r.int(8)) % 10)]}`.replace(/\d$/, (d) => (d === idCheck(b) ? String((+d + 1) % 10) : d)); },
  (r) => { const b = `62${r.digits(16)}`; return `号码 ${b}${(+luhnDigit(b) + 1 + r.int(8)) % 10}`; }, (r) => { const c = card(r); return `卡号 ${c.slice(0, -1)}${(+c.at(-1) + 1 + r.int(8)) % 10}`; },
  (r) => { const v = iban('DE', r.digits(18)); return `IBAN ${v.slice(0, -1)}${(+v.at(-1) + 1 + r.int(8)) % 10}`; }, (r) => `SSN 000-${two(r.int(99))}-${r.digits(4)}`, (r) => `9${r.digits(2)}-00-${r.digits(4)}`,
  (r) => `@media screen and (min-width: ${r.digits(3)}px)`, () => '@Override public String toString()', (r) => `npm i react@${r.int(19)}.0.${r.int(9)}`, () => 'std::vector<int>::iterator it', (r) => `比分 ${r.int(5)}:${r.int(5)}，用时 ${r.int(9)}:${two(r.int(60))}:${two(r.int(60))}`,
  (r) => `图${1 + r.int(9)}-${1 + r.int(9)} 第${r.int(300)}页`, (r) => `GB/T ${r.digits(5)}-${2000 + r.int(24)}`, (r) => `型号 A${r.digits(4)}，产地新疆`, (r) => `京东A股${r.digits(6)}`, (r) => `DOI 10.${r.digits(4)}/${r.from(LOWER, 5)}.${r.digits(7)}`,
  (r) => `${r.pick(['some_long_function_name', 'state-of-the-art-methods', 'application-configuration-file'])} returns ${r.int(100)}`, (r) => `batch ${r.digits(8)} of ${r.digits(8)}`, (r) => `端口 ${r.digits(5)} 进程 ${r.digits(6)}`, (r) => `${r.digits(4)} ${r.digits(3)}人参加`,
  (r) => `验证码${r.digits(6)}，请勿泄露`, (r) => `第${r.digits(4)}期彩票开奖：${Array.from({ length: 6 }, () => two(1 + r.int(33))).join(' ')}`, (r) => `serial ${r.from(UPPER + DIGITS, 12)}`, () => '-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\n-----END CERTIFICATE-----',
];

const PROSE = ['会议改到下周三下午，地点不变。', '这批货的质量比上一批好很多。', '请在收到后尽快回复。', 'Thanks for the quick reply.', 'We will discuss the details next week.', '系统将于今晚维护两个小时。', 'The weather has been unusually warm.', ''];

/** @returns {{text: string, truth: {kind: string, start: number, end: number}[], what: string}[]} offsets are UTF-8 bytes */
export function structuredTexts(seed, perKind, negatives) {
  const r = rng(seed);
  const out = [];
  const bytes = (s) => Buffer.byteLength(s);
  for (const [kind, [make, contexts]] of Object.entries(C)) {
    for (let i = 0; i < perKind; i++) {
      const value = make(r);
      const [left, right] = r.pick(contexts).split('@');
      const before = r.pick(PROSE), after = r.pick(PROSE);
      const head = `${before}${before && !before.endsWith('。') ? ' ' : ''}${left}`;
      const start = bytes(head);
      const truth = [{ kind, start, end: start + bytes(value) }];
      out.push({ text: `${head}${value}${right ?? ''}${after && !/[。，）]$/.test(`${value}${right}`) ? ' ' : ''}${after}`, truth, what: kind });
    }
  }
  for (let i = 0; i < perKind; i++) { // URL credentials, inside a URL that is one itself
    const secret = r.pick([() => `${r.pick(NAMES)}:${r.from(ALNUM, 10)}`, () => r.from(ALNUM, 24)])();
    const isUser = secret.includes(':');
    const head = `${r.pick(['连接串 ', 'DATABASE_URL=', 'git clone ', '回调 ', 'GET '])}`;
    const u = isUser ? [`${r.pick(['postgres', 'https', 'mysql', 'redis', 'amqp'])}://`, `@${r.pick(HOSTS)}/x`] : [`https://${r.pick(HOSTS)}/cb?v=1&${r.pick(['token', 'access_token', 'api_key', 'sig', 'password'])}=`, r.pick(['', '&next=2'])];
    const start = bytes(head), at = start + bytes(u[0]);
    out.push({ text: `${head}${u[0]}${secret}${u[1]} 完`, what: 'secret.url_credential',
      truth: [{ kind: 'pii.url', start, end: at + bytes(secret) + bytes(u[1]) }, { kind: 'secret.url_credential', start: at, end: at + bytes(secret) }] });
  }
  for (let i = 0; i < negatives; i++) {
    const make = NEGATIVES[i % NEGATIVES.length];
    out.push({ text: `${r.pick(PROSE)} ${make(r)} ${r.pick(PROSE)}`, truth: [], what: 'negative' });
  }
  return out;
}
