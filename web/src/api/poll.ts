// Calls an async function again and again while a component lives and the page is visible.
import { onBeforeUnmount, onMounted } from 'vue'
import { ApiError } from './client.ts'

const SLOWEST_MS = 5000

/** Returns a function that polls at once. Failures slow the rhythm down to 5 s; the next
 * success restores it. */
export function usePoll(work: () => Promise<void>, everyMs: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let alive = false
  let running = false
  let again = false
  let pause = everyMs

  function plan(delay: number): void {
    clearTimeout(timer)
    if (alive && !document.hidden) timer = setTimeout(() => void run(), delay)
  }
  async function run(): Promise<void> {
    if (running) {
      again = true
      return
    }
    running = true
    try {
      await work()
      pause = everyMs
    } catch (error) {
      if (!(error instanceof ApiError)) console.error(error)
      pause = Math.min(pause * 2, Math.max(SLOWEST_MS, everyMs))
    } finally {
      running = false
    }
    plan(again ? 0 : pause)
    again = false
  }
  const now = (): void => {
    clearTimeout(timer)
    if (alive) void run()
  }
  const visible = (): void => {
    if (!document.hidden) now()
  }

  onMounted(() => {
    alive = true
    document.addEventListener('visibilitychange', visible)
    now()
  })
  onBeforeUnmount(() => {
    alive = false
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', visible)
  })
  return now
}
