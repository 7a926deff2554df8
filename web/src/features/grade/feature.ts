import type { Feature } from '../../features.ts'

const feature: Feature = {
  routes: [
    {
      path: 'grade',
      name: 'grade',
      meta: { title: 'grade.title' },
      component: () => import('./GradePage.vue'),
    },
  ],
  nav: [{ stage: 'before', order: -10, to: '/grade', label: 'grade.title' }],
}
export default feature
