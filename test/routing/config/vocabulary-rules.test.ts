import { expect, test } from 'vitest'
import { compileSnapshot } from '../../../src/routing/config/compile.ts'
import type { Configuration } from '../../../src/routing/config/configuration.ts'
import { apiKey, deployment, fallback, provider, route, user } from '../../support/scenario.ts'

const configuration: Configuration = {
  version: 1,
  token: '',
  providers: [provider('openai')],
  deployments: [deployment('llama')],
  routes: [route({ llama: 1 }, { fallback: fallback(['openai-model']) })],
  users: [user('ada')],
  apiKeys: [apiKey('first', 'ada')],
  rateLimits: [],
  budgets: [],
}

/** Each upper-case word of the configuration replaced, one at a time, with the place where it stood. */
function* poisoned(value: unknown, path: readonly string[] = []): Generator<readonly [place: string, value: unknown]> {
  if (typeof value === 'string' && /^[A-Z_]{3,}$/.test(value)) yield [path.join('.'), 'WORD_OF_LATER']
  if (typeof value !== 'object' || value === null) return
  for (const [name, member] of Object.entries(value)) {
    for (const [place, changed] of poisoned(member, [...path, name])) {
      const copy: object = Array.isArray(value) ? [...(value as unknown[])] : { ...value }
      yield [place, Object.assign(copy, { [name]: changed })]
    }
  }
}

test('a word that this version does not know is refused, wherever it stands', () => {
  expect(compileSnapshot(configuration).ok).toBe(true)
  const places = [...poisoned(configuration)]
  expect(places.length).toBeGreaterThan(20)
  const accepted = places.filter(([, changed]) => compileSnapshot(changed as Configuration).ok)
  expect(accepted.map(([place]) => place)).toEqual([])
})
