import type { Feature } from '../../features.ts'
import SessionMenu from './SessionMenu.vue'

const feature: Feature = {
  login: () => import('./LoginPage.vue'),
  tools: [SessionMenu],
}
export default feature
