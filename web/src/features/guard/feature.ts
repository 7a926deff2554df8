import type { Feature } from '../../features.ts'

const feature: Feature = {
  routes: [
    {
      path: 'stops',
      name: 'stops',
      meta: { title: 'guard.stops.title' },
      component: () => import('./StopsPage.vue'),
    },
    {
      path: 'reviews',
      name: 'reviews',
      meta: { title: 'guard.review.title' },
      component: () => import('./ReviewsPage.vue'),
    },
    {
      path: 'reviews/:id',
      name: 'review',
      meta: { title: 'guard.review.case' },
      component: () => import('./ReviewPage.vue'),
      props: true,
    },
    {
      path: 'people',
      name: 'people',
      meta: { title: 'guard.people.title' },
      component: () => import('./PeoplePage.vue'),
    },
    {
      path: 'people/:id',
      name: 'person',
      meta: { title: 'guard.people.person' },
      component: () => import('./PersonPage.vue'),
      props: true,
    },
    {
      path: 'plan',
      name: 'plan',
      meta: { title: 'guard.plan.title' },
      component: () => import('./PlanPage.vue'),
    },
  ],
  nav: [
    { stage: 'during', order: 10, to: '/stops', label: 'guard.stops.title' },
    { stage: 'during', order: 20, to: '/reviews', label: 'guard.review.title' },
    { stage: 'during', order: 30, to: '/people', label: 'guard.people.title' },
    { stage: 'during', order: 40, to: '/plan', label: 'guard.plan.title' },
  ],
  cards: async () => (await import('./cards.ts')).cards,
}
export default feature
