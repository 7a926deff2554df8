import type { Feature } from '../../features.ts'

const feature: Feature = {
  routes: [
    {
      path: 'documents/:id',
      name: 'documents',
      meta: { title: 'disclosure.title' },
      component: () => import('./DocumentsPage.vue'),
      props: true,
    },
  ],
}
export default feature
