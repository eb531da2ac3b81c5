import type {
  ApiKeyConfiguration,
  Configuration,
  ConfigurationDelta,
  DeploymentConfiguration,
  ProviderConfiguration,
  RouteConfiguration,
} from './configuration.ts'
import { compileLimits, emptyLimitTables } from '../limits/snapshot-limits.ts'
import { type ConfigurationFault, routeFaults } from './route-rules.ts'
import type { Backend, DeploymentBackend, ProviderModelBackend, ProviderUpstream, Route, Snapshot } from './snapshot.ts'
import { createTable } from './table.ts'
import { vocabularyFaults } from './vocabulary-rules.ts'

export type CompileResult =
  | { readonly ok: true; readonly snapshot: Snapshot }
  | { readonly ok: false; readonly problems: readonly ConfigurationFault[] }

/** The state before anything is configured. */
export const emptySnapshot: Snapshot = {
  version: 0,
  token: '',
  routesById: createTable(),
  routesByName: createTable(),
  backends: createTable(),
  providers: createTable(),
  users: createTable(),
  apiKeysById: createTable(),
  apiKeysByHash: createTable(),
  limits: emptyLimitTables,
}

/** The snapshot of a whole configuration, or all its faults. */
export function compileSnapshot(configuration: Configuration): CompileResult {
  return compileDelta(emptySnapshot, { configuration, removed: [] })
}

/**
 * The snapshot after a change, or all faults. It reads only the changed objects, and the result equals the snapshot of the whole
 * configuration.
 */
export function compileDelta(base: Snapshot, delta: ConfigurationDelta): CompileResult {
  const { configuration } = delta
  const backends = base.backends.with(backendChanges(base, delta))
  const problems = [
    ...vocabularyFaults(configuration),
    ...configuration.routes.flatMap((route) => routeFaults(route, (id) => backends.get(id) !== undefined)),
  ]
  const snapshot: Snapshot = {
    version: configuration.version,
    token: configuration.token,
    backends,
    providers: base.providers.with([
      ...removedOf(delta, 'provider'),
      ...configuration.providers.map((provider) => [provider.id, compileProvider(provider)] as const),
    ]),
    ...compileRoutes(base, delta, problems),
    users: base.users.with([
      ...removedOf(delta, 'user'),
      ...configuration.users.map((user) => [user.id, user] as const),
    ]),
    ...compileApiKeys(base, delta),
    limits: compileLimits(base.limits, delta),
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, snapshot }
}

function removedOf(delta: ConfigurationDelta, kind: string): (readonly [string, undefined])[] {
  return delta.removed.filter((subject) => subject.kind === kind).map((subject) => [subject.id, undefined] as const)
}

function* backendChanges(base: Snapshot, delta: ConfigurationDelta): Iterable<readonly [string, Backend | undefined]> {
  yield* removedOf(delta, 'deployment')
  const providers = delta.configuration.providers
  for (const id of [...delta.removed.map((subject) => subject.id), ...providers.map((provider) => provider.id)]) {
    for (const modelId of base.providers.get(id)?.modelIds ?? []) yield [modelId, undefined]
  }
  for (const provider of providers) {
    for (const backend of compileProviderModels(provider)) yield [backend.id, backend]
  }
  for (const deployment of delta.configuration.deployments) yield [deployment.id, compileDeployment(deployment)]
}

function compileProvider(provider: ProviderConfiguration): ProviderUpstream {
  const { models, ...upstream } = provider
  return { ...upstream, modelIds: models.map((model) => model.id) }
}

function compileProviderModels(provider: ProviderConfiguration): ProviderModelBackend[] {
  const upstream = compileProvider(provider)
  return provider.models.map((model) => ({
    kind: 'providerModel',
    id: model.id,
    label: `${provider.name}/${model.upstreamModel}`,
    upstreamModel: model.upstreamModel,
    upstreamModelJson: JSON.stringify(model.upstreamModel),
    categories: model.categories,
    pricing: model.pricing,
    operations: model.operations,
    contextTokens: model.contextTokens,
    state: provider.state,
    provider: upstream,
  }))
}

function compileDeployment(deployment: DeploymentConfiguration): DeploymentBackend {
  const { name, ...rest } = deployment
  return {
    kind: 'deployment',
    ...rest,
    label: name,
    upstreamModelJson: JSON.stringify(deployment.upstreamModel),
  }
}

function compileRoutes(
  base: Snapshot,
  delta: ConfigurationDelta,
  problems: ConfigurationFault[],
): Pick<Snapshot, 'routesById' | 'routesByName'> {
  const removed = removedOf(delta, 'route')
  const compiled = delta.configuration.routes.map(compileRoute)
  const oldNames = [...removed.map(([id]) => id), ...compiled.map((route) => route.id)]
    .map((id) => base.routesById.get(id)?.name)
    .filter((name) => name !== undefined)
    .map((name) => [name, undefined] as const)
  const withoutOld = base.routesByName.with(oldNames)
  const names = new Set<string>()
  for (const route of compiled) {
    if (names.has(route.name) || withoutOld.get(route.name))
      problems.push({ subjectId: route.id, code: 'TAKEN', path: ['name'], message: 'Another route has this name.' })
    names.add(route.name)
  }
  return {
    routesById: base.routesById.with([...removed, ...compiled.map((route) => [route.id, route] as const)]),
    routesByName: withoutOld.with(compiled.map((route) => [route.name, route] as const)),
  }
}

function compileRoute(route: RouteConfiguration): Route {
  const totalWeight = route.targets.reduce((sum, target) => sum + target.weight, 0)
  const { fallback, access } = route
  return {
    ...route,
    targets: route.targets.map((target) => ({ ...target, share: totalWeight > 0 ? target.weight / totalWeight : 0 })),
    fallback: fallback && { ...fallback, triggers: new Set(fallback.triggers) },
    access: { policy: access.policy, userIds: new Set(access.userIds), apiKeyIds: new Set(access.apiKeyIds) },
  }
}

function compileApiKeys(base: Snapshot, delta: ConfigurationDelta): Pick<Snapshot, 'apiKeysById' | 'apiKeysByHash'> {
  const removed = removedOf(delta, 'apiKey')
  const { apiKeys } = delta.configuration
  const oldHashes = [...removed.map(([id]) => id), ...apiKeys.map((key) => key.id)]
    .map((id) => base.apiKeysById.get(id))
    .filter((key) => key !== undefined)
    .flatMap(hashesOf)
    .map((hash) => [hash, undefined] as const)
  return {
    apiKeysById: base.apiKeysById.with([...removed, ...apiKeys.map((key) => [key.id, key] as const)]),
    apiKeysByHash: base.apiKeysByHash.with([
      ...oldHashes,
      ...apiKeys.flatMap((key) => hashesOf(key).map((hash) => [hash, key] as const)),
    ]),
  }
}

/** The hashes by which a key is found; the first is that of its current secret. */
function hashesOf({ hash, earlierSecrets }: ApiKeyConfiguration): string[] {
  return [hash, ...earlierSecrets.map((earlier) => earlier.hash)]
}
