/** Checks for enum values that this release does not know: a newer release, or a person, may have written the configuration. */
import { budgetActions, budgetPeriods, limitDimensions, limitEnforcements } from '../limits/limit.ts'
import { providerKinds } from '../vendors/provider-kind.ts'
import type { Configuration } from './configuration.ts'
import type { ConfigurationFault } from './route-rules.ts'
import {
  accessPolicies,
  apiKeyScopes,
  deploymentEngines,
  fallbackTriggers,
  loadBalancings,
  modelCategories,
  routeAffinities,
  routeBalancings,
  servingStates,
  userRoles,
} from './vocabulary.ts'

type Words = readonly string[]

const longestShown = 60

/** One fault for each unknown value in the configuration. Its meaning cannot be guessed, so the configuration must not be served. */
export function vocabularyFaults(configuration: Configuration): ConfigurationFault[] {
  const problems: ConfigurationFault[] = []
  const check = (subjectId: string, path: readonly string[], known: Words, words: Words) => {
    for (const word of words) if (!known.includes(word)) problems.push(unknownWord(subjectId, path, word))
  }
  for (const { id, kind, state, models } of configuration.providers) {
    check(id, ['kind'], providerKinds, [kind])
    check(id, ['state'], servingStates, [state])
    for (const model of models) check(model.id, ['categories'], modelCategories, model.categories)
  }
  for (const { id, engine, state, loadBalancing, categories, endpoints } of configuration.deployments) {
    check(id, ['engine'], deploymentEngines, [engine])
    check(id, ['state'], servingStates, [state])
    check(id, ['loadBalancing'], loadBalancings, [loadBalancing])
    check(id, ['categories'], modelCategories, categories)
    for (const endpoint of endpoints) check(endpoint.id, ['state'], servingStates, [endpoint.state])
  }
  for (const { id, state, categories, affinity, balancing, access, fallback } of configuration.routes) {
    check(id, ['state'], servingStates, [state])
    check(id, ['categories'], modelCategories, categories)
    check(id, ['affinity'], routeAffinities, [affinity])
    check(id, ['balancing'], routeBalancings, [balancing])
    check(id, ['access', 'policy'], accessPolicies, [access.policy])
    check(id, ['fallback', 'triggers'], fallbackTriggers, fallback?.triggers ?? [])
  }
  for (const { id, role, state } of configuration.users) {
    check(id, ['role'], userRoles, [role])
    check(id, ['state'], servingStates, [state])
  }
  for (const { id, scopes } of configuration.apiKeys) check(id, ['scopes'], apiKeyScopes, scopes)
  for (const { id, per, enforcement } of configuration.rateLimits) {
    check(id, ['per'], limitDimensions, per)
    check(id, ['enforcement'], limitEnforcements, [enforcement])
  }
  for (const { id, per, period, onExhausted } of configuration.budgets) {
    check(id, ['per'], limitDimensions, per)
    check(id, ['period'], budgetPeriods, [period])
    check(id, ['onExhausted'], budgetActions, [onExhausted])
  }
  return problems
}

function unknownWord(subjectId: string, path: readonly string[], word: string): ConfigurationFault {
  const message = `${JSON.stringify(word.slice(0, longestShown))} is not known to this version.`
  return { subjectId, code: 'INVALID', path, message }
}
