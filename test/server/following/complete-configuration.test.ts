import { expect, test } from 'vitest'
import { compileSnapshot } from '../../../src/routing/config/compile.ts'
import { type Configuration, noFurtherPrices } from '../../../src/routing/config/configuration.ts'
import { completeConfiguration } from '../../../src/server/following/complete-configuration.ts'
import { deployment, provider, route } from '../../support/scenario.ts'

const pricing = { inputPerMillion: '1', outputPerMillion: '2', cachedInputPerMillion: null, ...noFurtherPrices }

const now: Configuration = {
  version: 7,
  token: 'version-7',
  providers: [provider('cloud')],
  deployments: [deployment('own', { pricing })],
  routes: [route({ own: 1 })],
  users: [],
  apiKeys: [],
  rateLimits: [],
  budgets: [],
}

const newMembers = new Set([
  'operations',
  'contextTokens',
  'requestRules',
  'caCertificates',
  'affinity',
  'balancing',
  'rewritesModel',
  'answerMs',
  'keepAliveMs',
  'hint',
  'cacheWritePerMillion',
  'cacheWriteLongPerMillion',
  'reasoningPerMillion',
  'perRequest',
  'perImage',
  'perAudioSecond',
  'perMillionCharacters',
  'tiers',
  'serviceTiers',
  'rateLimits',
  'budgets',
])

/** The file as the version before these members wrote it. */
function asWrittenBefore(configuration: Configuration): Configuration {
  const without = (name: string, value: unknown) => (newMembers.has(name) ? undefined : value)
  return JSON.parse(JSON.stringify(configuration, without)) as Configuration
}

test('a last good snapshot of an earlier version is read with the defaults of what it does not say', () => {
  const old = asWrittenBefore(now)
  expect(old.routes[0]).not.toHaveProperty('affinity')
  expect(completeConfiguration(old)).toEqual(now)
})

test('what it says stays, and what is completed compiles to the same', () => {
  const stated = { ...now, deployments: [deployment('own', { operations: ['/v1/messages'], contextTokens: 9 })] }
  expect(completeConfiguration(stated)).toEqual(stated)
  expect(compileSnapshot(completeConfiguration(asWrittenBefore(now)))).toEqual(compileSnapshot(now))
})
