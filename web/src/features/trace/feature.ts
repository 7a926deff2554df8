import type { Feature } from '../../features.ts'

const feature: Feature = {
  routes: [
    {
      path: 'trace',
      name: 'trace',
      meta: { title: 'trace.title' },
      component: () => import('./TracePage.vue'),
    },
  ],
  nav: [{ stage: 'after', order: 0, to: '/trace', label: 'trace.title' }],
}
export default feature
