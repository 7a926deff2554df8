import type { Feature } from '../../features.ts'

const feature: Feature = {
  routes: [
    {
      path: 'stops',
      name: 'stops',
      meta: { title: 'guard.stops.title' },
      component: () => import('./StopsPage.vue'),
    },
  ],
  nav: [{ stage: 'during', order: 10, to: '/stops', label: 'guard.stops.title' }],
  cards: async () => (await import('./cards.ts')).cards,
}
export default feature
