import type { Feature } from '../../features.ts'

const feature: Feature = {
  routes: [
    {
      path: 'packs',
      name: 'packs',
      meta: { title: 'pack.title' },
      component: () => import('./PacksPage.vue'),
    },
  ],
  nav: [{ stage: 'before', order: 0, to: '/packs', label: 'pack.title' }],
}
export default feature
