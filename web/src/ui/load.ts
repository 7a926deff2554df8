// A page's data: loaded at once and on demand, with what to tell people when it fails.
import { onMounted, ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { useI18n } from 'vue-i18n'
import { usePoll } from '../api/poll.ts'
import { troubleText } from './trouble.ts'

export interface Loaded<T> {
  data: ShallowRef<T | null>
  trouble: Ref<string>
  busy: Ref<boolean>
  load: () => Promise<void>
}

/** The answer of a load that a newer one has overtaken is dropped. */
function loaded<T>(work: () => Promise<T>): Loaded<T> {
  const { t } = useI18n()
  const data = shallowRef<T | null>(null)
  const trouble = ref('')
  const busy = ref(false)
  let newest = 0

  async function load(): Promise<void> {
    const mine = ++newest
    busy.value = true
    try {
      const got = await work()
      if (mine === newest) [data.value, trouble.value] = [got, '']
    } catch (error) {
      if (mine === newest) trouble.value = troubleText(t, error)
    } finally {
      if (mine === newest) busy.value = false
    }
  }
  return { data, trouble, busy, load }
}

export function useLoad<T>(work: () => Promise<T>): Loaded<T> {
  const it = loaded(work)
  onMounted(it.load)
  return it
}
/** Loads again and again. A later failure leaves what is on the screen: the banner of the shell tells. */
export function usePolled<T>(work: () => Promise<T>, everyMs: number): Loaded<T> {
  const it = loaded(work)
  usePoll(async () => {
    await it.load()
    if (it.data.value) it.trouble.value = ''
  }, everyMs)
  return it
}

export interface Act {
  trouble: Ref<string>
  busy: Ref<boolean>
  /** Does nothing while busy; gives whether the work was done. */
  act: (work: () => Promise<unknown>) => Promise<boolean>
}

/** Something that a button does. */
export function useAct(): Act {
  const { t } = useI18n()
  const trouble = ref('')
  const busy = ref(false)

  async function act(work: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    trouble.value = ''
    try {
      await work()
      return true
    } catch (error) {
      trouble.value = troubleText(t, error)
      return false
    } finally {
      busy.value = false
    }
  }
  return { trouble, busy, act }
}
