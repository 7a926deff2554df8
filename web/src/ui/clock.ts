// The time, once a second, for ages on the screen.
import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue'

export function useNow(): Readonly<Ref<number>> {
  const now = ref(Date.now())
  let timer: ReturnType<typeof setInterval> | undefined
  onMounted(() => {
    timer = setInterval(() => (now.value = Date.now()), 1000)
  })
  onBeforeUnmount(() => clearInterval(timer))
  return now
}
