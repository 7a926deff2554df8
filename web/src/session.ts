// Who is logged in. The cookie is HttpOnly; only name, roles and the CSRF token are here.
import { computed, ref } from 'vue'
import { ApiError, del, get, post, quiet, setCsrf } from './api/client.ts'
import type { Session } from './api/types.ts'

const session = ref<Session | null>(null)
let asked = false

// The cookie cannot be seen from here. This mark says that there may be one, so that people
// who never logged in do not start with a refused request.
const MARK = 'plumbline.session'
function mark(present: boolean): void {
  try {
    if (present) localStorage.setItem(MARK, '1')
    else localStorage.removeItem(MARK)
  } catch {
    // storage is forbidden: then always ask
  }
}
function mayHaveSession(): boolean {
  try {
    return localStorage.getItem(MARK) !== null
  } catch {
    return true
  }
}

export const who = computed(() => session.value)
function hasOneOf(...roles: Session['roles']): boolean {
  return session.value?.roles.some((r) => roles.includes(r)) ?? false
}
/** May stop and resume the service, and put policies into force. */
export const mayOperate = computed(() => hasOneOf('provider', 'admin'))
/** May lift what holds against people, and close signals. */
export const mayReview = computed(() => hasOneOf('reviewer', 'provider', 'admin'))
/** May read what people wrote. */
export const mayRead = computed(() => hasOneOf('reviewer', 'admin'))

function set(next: Session | null): void {
  session.value = next
  asked = true
  setCsrf(next?.csrf ?? '')
  mark(next !== null)
}

/** Finds out once per page load whether the cookie still holds. */
export async function ensureSession(): Promise<Session | null> {
  if (asked) return session.value
  if (!mayHaveSession()) return null
  try {
    set(await get('/api/v1/session'))
  } catch (error) {
    // Not an answer about the session: ask again at the next navigation.
    if (error instanceof ApiError && error.failure === 'lost') return null
    set(null)
  }
  return session.value
}

export async function login(name: string, password: string): Promise<void> {
  set(await post('/api/v1/session', { name, password }))
}

/** `leave` takes the reader to a page that needs no session. */
export async function logout(leave: () => Promise<unknown>): Promise<void> {
  quiet(true)
  try {
    await del('/api/v1/session')
    set(null)
  } catch (error) {
    // An expired session is a logout too; without an answer the cookie would live on.
    if (!(error instanceof ApiError) || error.failure !== 'denied') throw error
    set(null)
  } finally {
    if (!session.value) await leave()
    quiet(false)
  }
}

export function forgetSession(): void {
  set(null)
}
