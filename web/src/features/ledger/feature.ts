import type { Feature } from '../../features.ts'

const feature: Feature = {
  routes: [
    {
      path: 'ledger',
      name: 'ledger',
      meta: { title: 'ledger.title' },
      component: () => import('./LedgerPage.vue'),
    },
  ],
  nav: [{ stage: 'after', order: 10, to: '/ledger', label: 'ledger.title' }],
  cards: async () => [{ area: 'side', order: 10, component: (await import('./HeadCard.vue')).default }],
}
export default feature
