import type { Feature } from '../../features.ts'

const feature: Feature = {
  routes: [
    {
      path: 'filings',
      name: 'filings',
      meta: { title: 'registry.filings' },
      component: () => import('./FilingsPage.vue'),
    },
    {
      path: 'filings/:id',
      name: 'filing',
      meta: { title: 'registry.filing' },
      component: () => import('./FilingPage.vue'),
      props: true,
    },
    {
      path: 'records',
      name: 'records',
      meta: { title: 'registry.records' },
      component: () => import('./RecordsPage.vue'),
    },
    {
      path: 'records/:id',
      name: 'record',
      meta: { title: 'registry.record' },
      component: () => import('./RecordPage.vue'),
      props: true,
    },
  ],
  nav: [
    { stage: 'before', order: -30, to: '/records', label: 'registry.records' },
    { stage: 'before', order: -20, to: '/filings', label: 'registry.filings' },
  ],
}
export default feature
