import { expect, test } from 'vitest'
import { passedNamesOf } from '../../../src/gateway/answer/passed-names.ts'
import type { Backend } from '../../../src/routing/config/snapshot.ts'

test('names that an earlier version stored, and that are refused now, do not pass', () => {
  const requestRules = {
    passHeaders: ['x-tenant', 'authorization'],
    passResponseHeaders: ['x-cache', 'x-ratelimit-limit-requests', 'anthropic-ratelimit-tokens-reset', 'set-cookie'],
    addStreamUsage: true,
  }
  const names = passedNamesOf({ kind: 'deployment', requestRules } as unknown as Backend)
  expect([...names!.request]).toEqual(['x-tenant'])
  expect([...names!.response]).toEqual(['x-cache'])
})
