import type { Configuration, ProviderConfiguration, RouteConfiguration } from './configuration.ts'
import type { Backend, DeploymentBackend, ProviderUpstream, Route, Snapshot } from './snapshot.ts'

/** A part of a configuration has a few of its objects. */
const objectsPerPart = 50

const nothing = { providers: [], deployments: [], routes: [], users: [], apiKeys: [], rateLimits: [], budgets: [] }

/**
 * The configuration that a snapshot was compiled from: joined and compiled again it gives an equal snapshot. In parts, since all of
 * a large one in one go would keep whoever asks for it from other work.
 */
export function* configurationParts(snapshot: Snapshot): Generator<Configuration> {
  const { version, token, providers, backends, routesById, users, apiKeysById, limits } = snapshot
  const none = { version, token, ...nothing }
  yield none
  for (const some of inGroups(providers.values()))
    yield { ...none, providers: some.map((provider) => providerOf(provider, snapshot)) }
  for (const some of inGroups(backends.values()))
    yield { ...none, deployments: some.filter(isDeployment).map(deploymentOf) }
  for (const some of inGroups(routesById.values())) yield { ...none, routes: some.map(routeOf) }
  for (const some of inGroups(users.values())) yield { ...none, users: some }
  for (const some of inGroups(apiKeysById.values())) yield { ...none, apiKeys: some }
  for (const some of inGroups(limits.rateLimits.values())) yield { ...none, rateLimits: some }
  for (const some of inGroups(limits.budgets.values())) yield { ...none, budgets: some }
}

/** The whole of all parts; there is at least one. */
export function joinConfiguration(parts: readonly Configuration[]): Configuration {
  return {
    version: parts[0]!.version,
    // A file of an earlier version has none; the first look at the database then loads the whole.
    token: parts[0]!.token ?? '',
    providers: parts.flatMap(({ providers }) => providers),
    deployments: parts.flatMap(({ deployments }) => deployments),
    routes: parts.flatMap(({ routes }) => routes),
    users: parts.flatMap(({ users }) => users),
    apiKeys: parts.flatMap(({ apiKeys }) => apiKeys),
    rateLimits: parts.flatMap(({ rateLimits }) => rateLimits),
    budgets: parts.flatMap(({ budgets }) => budgets),
  }
}

function* inGroups<T>(objects: Iterable<T>): Generator<T[]> {
  let group: T[] = []
  for (const object of objects) {
    group.push(object)
    if (group.length < objectsPerPart) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}

function providerOf({ modelIds, ...provider }: ProviderUpstream, { backends }: Snapshot): ProviderConfiguration {
  const models = modelIds.flatMap((id) => backends.get(id) ?? [])
  return {
    ...provider,
    models: models.map(({ id, upstreamModel, categories, pricing, operations, contextTokens }) => ({
      id,
      upstreamModel,
      categories,
      pricing,
      operations,
      contextTokens,
    })),
  }
}

function isDeployment(backend: Backend): backend is DeploymentBackend {
  return backend.kind === 'deployment'
}

function deploymentOf(backend: DeploymentBackend): Configuration['deployments'][number] {
  const { kind: _kind, label: name, upstreamModelJson: _json, ...rest } = backend
  return { ...rest, name }
}

function routeOf(route: Route): RouteConfiguration {
  const { fallback, access } = route
  return {
    ...route,
    targets: route.targets.map(({ id, backendId, weight }) => ({ id, backendId, weight })),
    fallback: fallback && { ...fallback, triggers: [...fallback.triggers] },
    access: { policy: access.policy, userIds: [...access.userIds], apiKeyIds: [...access.apiKeyIds] },
  }
}
