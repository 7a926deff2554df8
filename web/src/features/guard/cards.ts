import type { Card } from '../../features.ts'
import BlocksCard from './BlocksCard.vue'
import LiveRequests from './LiveRequests.vue'
import PolicyCard from './PolicyCard.vue'
import RateCard from './RateCard.vue'
import StopSwitch from './StopSwitch.vue'

export const cards: Card[] = [
  { area: 'top', order: 0, component: StopSwitch },
  { area: 'main', order: 0, component: RateCard },
  { area: 'main', order: 10, component: LiveRequests },
  { area: 'side', order: 0, component: BlocksCard },
  { area: 'side', order: 20, component: PolicyCard },
]
