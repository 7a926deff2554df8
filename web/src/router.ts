// Routes live behind "#": nginx serves the console as plain files without rewriting.
import type { Component } from 'vue'
import { createRouter, createWebHashHistory } from 'vue-router'
import { setDeniedHandler } from './api/client.ts'
import { features } from './features.ts'
import Shell from './shell/Shell.vue'
import { ensureSession, forgetSession, who } from './session.ts'

export const router = createRouter({
  history: createWebHashHistory(),
  routes: [
    ...features.flatMap(({ login }) =>
      login ? [{ path: '/login', name: 'login', component: login as () => Promise<Component> }] : [],
    ),
    {
      path: '/',
      component: Shell,
      children: [
        {
          path: '',
          name: 'overview',
          meta: { title: 'overview.title' },
          component: () => import('./overview/OverviewPage.vue'),
        },
        ...features.flatMap((f) => f.routes ?? []),
        { path: ':rest(.*)*', redirect: '/' },
      ],
    },
  ],
})

/** Only places inside the console: the address comes from the location bar. */
export function backAddress(value: unknown): string {
  return typeof value === 'string' && /^\/(?!\/)/.test(value) ? value : '/'
}

router.beforeEach(async (to) => {
  const session = await ensureSession()
  if (to.name === 'login') return session ? backAddress(to.query['back']) : true
  if (session) return true
  return { name: 'login', query: to.fullPath === '/' ? {} : { back: to.fullPath } }
})

setDeniedHandler(() => {
  if (!who.value) return
  forgetSession()
  const back = router.currentRoute.value.fullPath
  void router.push({ name: 'login', query: { expired: '1', ...(back === '/' ? {} : { back }) } })
})
