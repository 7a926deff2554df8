import type { Feature } from '../../features.ts'

const feature: Feature = {
  routes: [
    {
      path: 'inspect',
      name: 'inspect',
      meta: { title: 'label.title' },
      component: () => import('./InspectPage.vue'),
    },
  ],
  nav: [{ stage: 'after', order: -10, to: '/inspect', label: 'label.title' }],
}
export default feature
