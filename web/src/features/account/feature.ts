import type { Feature } from '../../features.ts'
import SessionMenu from './SessionMenu.vue'

const feature: Feature = {
  login: () => import('./LoginPage.vue'),
  tools: [SessionMenu],
  routes: [
    {
      path: 'accounts',
      name: 'accounts',
      meta: { title: 'account.title' },
      component: () => import('./AccountsPage.vue'),
    },
  ],
}
export default feature
