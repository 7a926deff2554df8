import type { Feature } from '../../features.ts'

const feature: Feature = {
  cards: async () => (await import('./cards.ts')).cards,
}
export default feature
