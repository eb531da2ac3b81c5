import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileDelta, compileSnapshot, emptySnapshot } from '../../../src/routing/config/compile.ts'
import type { Configuration } from '../../../src/routing/config/configuration.ts'
import { configurationParts, joinConfiguration } from '../../../src/routing/config/join-configuration.ts'
import type { Budget, LimitSubject, RateLimit } from '../../../src/routing/limits/limit.ts'
import type { Snapshot } from '../../../src/routing/config/snapshot.ts'
import { contentOf } from '../../support/control.ts'

const subjects: readonly LimitSubject[] = [
  { kind: 'INSTALLATION' },
  { kind: 'USER', id: 'usr_1' },
  { kind: 'API_KEY', id: 'key_1' },
  { kind: 'PROVIDER_MODEL', id: 'pmd_1' },
]

function rateLimit(id: string, subject: LimitSubject, requestsPerMinute = 60): RateLimit {
  const rest = { per: [], tokensPerMinute: null, inFlight: null, burst: null, enforcement: 'ENFORCE' } as const
  return { id, subject, requestsPerMinute, ...rest }
}

function budget(id: string, subject: LimitSubject, amount = '1'): Budget {
  const rest = { per: [], period: 'MONTH', timeZone: 'UTC', warnAt: [], onExhausted: 'REFUSE' } as const
  return { id, revision: 1, subject, amount, ...rest, unpricedReserve: null, raise: null }
}

const empty: Configuration = joinConfiguration([...configurationParts(emptySnapshot)])

function snapshotOf(compiled: ReturnType<typeof compileSnapshot>): Snapshot {
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
  return compiled.snapshot
}

const step = fc.record({
  kind: fc.constantFrom('rateLimit' as const, 'budget' as const),
  n: fc.nat({ max: 5 }),
  subject: fc.constantFrom(...subjects),
  value: fc.integer({ min: 1, max: 9 }),
  isRemoved: fc.boolean(),
})

test('limits compiled change by change equal the whole compiled anew, and the whole made of the snapshot', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const rateLimits = new Map<string, RateLimit>()
      const budgets = new Map<string, Budget>()
      let snapshot = emptySnapshot
      for (const { kind, n, subject, value, isRemoved } of steps) {
        const id = `${kind}_${n}`
        const delta = { configuration: { ...empty }, removed: isRemoved ? [{ kind, id }] : [] }
        if (isRemoved) (kind === 'budget' ? budgets : rateLimits).delete(id)
        else if (kind === 'budget') {
          budgets.set(id, budget(id, subject, String(value)))
          delta.configuration.budgets = [budgets.get(id)!]
        } else {
          rateLimits.set(id, rateLimit(id, subject, value))
          delta.configuration.rateLimits = [rateLimits.get(id)!]
        }
        snapshot = snapshotOf(compileDelta(snapshot, delta))
      }
      const whole = { ...empty, rateLimits: [...rateLimits.values()], budgets: [...budgets.values()] }
      expect(contentOf(snapshot)).toEqual(contentOf(snapshotOf(compileSnapshot(whole))))
      const again = joinConfiguration([...configurationParts(snapshot)])
      expect(contentOf(snapshot)).toEqual(contentOf(snapshotOf(compileSnapshot(again))))
    }),
  )
})

test('the limits of a subject are found by its id, and those of the installation by its key', () => {
  const limits = snapshotOf(
    compileSnapshot({
      ...empty,
      rateLimits: [rateLimit('b', subjects[1]!), rateLimit('a', subjects[1]!), rateLimit('c', subjects[0]!)],
      budgets: [budget('d', subjects[3]!)],
    }),
  ).limits
  expect(limits.rateLimitsBySubject.get('usr_1')?.map(({ id }) => id)).toEqual(['a', 'b'])
  expect(limits.rateLimitsBySubject.get('INSTALLATION')?.map(({ id }) => id)).toEqual(['c'])
  expect(limits.rateLimitsBySubject.get('pmd_1')).toBeUndefined()
  expect(limits.budgetsBySubject.get('pmd_1')?.map(({ id }) => id)).toEqual(['d'])
})

test('a change of something else leaves the tables as they are, so that what was made of them can be kept', () => {
  const before = snapshotOf(compileSnapshot({ ...empty, rateLimits: [rateLimit('a', subjects[0]!)] }))
  const user = { id: 'usr_1', name: 'ada', role: 'MEMBER', state: 'ACTIVE' } as const
  const after = snapshotOf(compileDelta(before, { configuration: { ...empty, users: [user] }, removed: [] }))
  expect(after.limits).toBe(before.limits)
})
