// Whether plumblined answers. One state for the whole console: the banner shows it.
import { reactive, readonly } from 'vue'

const state = reactive({ lost: false, sinceMs: 0 })
export const connection = readonly(state)

export function connectionWorks(): void {
  state.lost = false
}
export function connectionFailed(): void {
  if (state.lost) return
  state.lost = true
  state.sinceMs = Date.now()
}
