// Talks to plumblined. Paths, parameters, bodies and answers are checked against schema.d.ts
// at compile time; at run time every failure is an ApiError.
import { currentLanguage } from '../i18n/language.ts'
import { connectionFailed, connectionWorks } from './connection.ts'
import type { paths } from './schema.d.ts'
import type { Problem } from './types.ts'

type Method = 'get' | 'post' | 'put' | 'delete'
type PathsWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never
}[keyof paths]
type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer O> ? O : never
type Content<R> = R extends { content: { 'application/json': infer T } } ? T : undefined
type Answer<O> = O extends { responses: infer R }
  ? R extends { 200: infer T }
    ? Content<T>
    : R extends { 201: infer T }
      ? Content<T>
      : undefined
  : never
type Body<O> = O extends { requestBody: { content: { 'application/json': infer T } } } ? T : undefined

export interface CallOptions<B> {
  path?: Record<string, string | number>
  query?: Record<string, string | number | undefined>
  body?: B
}

const TIMEOUT_MS = 10_000
const FILE_TIMEOUT_MS = 60_000

/** 'lost': no answer from plumblined. 'denied': not logged in. 'refused': an answer, but no. */
export type Failure = 'lost' | 'denied' | 'refused'

export class ApiError extends Error {
  readonly failure: Failure
  readonly status: number
  readonly detail: string
  constructor(failure: Failure, status: number, detail: string) {
    super(detail || failure)
    this.failure = failure
    this.status = status
    this.detail = detail
  }
}

let csrf = ''
let reading = new AbortController()
let isQuiet = false
let onDenied: () => void = () => {}

export function setCsrf(token: string): void {
  csrf = token
}
/** Gives up what is being read and refuses to read more, or ends that. While a session ends,
 * polls must not be told that it has. */
export function quiet(on: boolean): void {
  isQuiet = on
  if (on) reading.abort()
  else reading = new AbortController()
}
/** Called when a request that needs a login is answered with 401. */
export function setDeniedHandler(handler: () => void): void {
  onDenied = handler
}

function address(template: string, options: CallOptions<unknown>): string {
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(options.path?.[name] ?? '')),
  )
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(options.query ?? {}))
    if (value !== undefined && value !== '') query.set(name, String(value))
  const text = query.toString()
  return text ? `${path}?${text}` : path
}

function request(method: Method, options: CallOptions<unknown>): RequestInit {
  const isFile = options.body instanceof Blob
  const headers: Record<string, string> = {
    Accept: isFile ? '*/*' : 'application/json',
    'Accept-Language': currentLanguage(),
  }
  if (options.body !== undefined)
    headers['Content-Type'] = isFile ? 'application/octet-stream' : 'application/json'
  if (method !== 'get' && csrf) headers['X-CSRF-Token'] = csrf
  return {
    method: method.toUpperCase(),
    headers,
    credentials: 'same-origin',
    cache: 'no-store',
    signal:
      method === 'get'
        ? AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), reading.signal])
        : AbortSignal.timeout(isFile ? FILE_TIMEOUT_MS : TIMEOUT_MS),
    ...(options.body !== undefined
      ? { body: isFile ? (options.body as Blob) : JSON.stringify(options.body) }
      : {}),
  }
}

async function problem(response: Response): Promise<Partial<Problem> | null> {
  if (!(response.headers.get('content-type') ?? '').includes('json')) return null
  try {
    return (await response.json()) as Partial<Problem>
  } catch {
    return null
  }
}

async function failure(response: Response): Promise<ApiError> {
  const told = await problem(response)
  // A 5xx without problem details comes from the server in front, not from plumblined.
  if (told === null && response.status >= 500) return new ApiError('lost', response.status, '')
  const detail = told?.detail ?? told?.title ?? ''
  return new ApiError(response.status === 401 ? 'denied' : 'refused', response.status, detail)
}

async function send(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch {
    throw new ApiError('lost', 0, '')
  }
}

async function content(response: Response): Promise<unknown> {
  if (response.status === 204) return undefined
  return (response.headers.get('content-type') ?? '').includes('json') ? response.json() : response.blob()
}

async function call(method: Method, template: string, options: CallOptions<unknown>): Promise<unknown> {
  if (isQuiet && method === 'get') throw new ApiError('lost', 0, '')
  try {
    const response = await send(address(template, options), request(method, options))
    if (!response.ok) throw await failure(response)
    const answer = await content(response)
    connectionWorks()
    return answer
  } catch (cause) {
    const error = cause instanceof ApiError ? cause : new ApiError('lost', 0, '')
    if (isQuiet && method === 'get') throw error
    if (error.failure === 'lost') connectionFailed()
    else connectionWorks()
    if (error.failure === 'denied' && template !== '/api/v1/session') onDenied()
    throw error
  }
}

export function get<P extends PathsWith<'get'>>(path: P, options: CallOptions<never> = {}) {
  return call('get', path, options) as Promise<Answer<Operation<P, 'get'>>>
}
export function post<P extends PathsWith<'post'>>(
  path: P,
  body: Body<Operation<P, 'post'>>,
  options: CallOptions<never> = {},
) {
  return call('post', path, { ...options, body }) as Promise<Answer<Operation<P, 'post'>>>
}
export function put<P extends PathsWith<'put'>>(
  path: P,
  body: Body<Operation<P, 'put'>>,
  options: CallOptions<never> = {},
) {
  return call('put', path, { ...options, body }) as Promise<Answer<Operation<P, 'put'>>>
}
/** Sends a file's bytes. The answer is JSON, or a Blob where the API gives a file back. */
export function sendFile<P extends PathsWith<'post'>>(path: P, file: Blob, query: CallOptions<never>['query'] = {}) {
  return call('post', path, { query, body: file }) as Promise<
    Answer<Operation<P, 'post'>> extends undefined ? Blob : Answer<Operation<P, 'post'>>
  >
}
export function del<P extends PathsWith<'delete'>>(path: P, options: CallOptions<never> = {}) {
  return call('delete', path, options) as Promise<Answer<Operation<P, 'delete'>>>
}
