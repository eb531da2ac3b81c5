import { type Configuration, mapKinds, type ProviderConfiguration, type RouteConfiguration } from './configuration.ts'
import { type SubjectKind, subjectKinds } from './subject-kind.ts'
import type { Backend, DeploymentBackend, ProviderUpstream, Route, Snapshot } from './snapshot.ts'

/** Objects in one part of a configuration. */
const objectsPerPart = 50

const nothing = mapKinds(() => [])

/**
 * The configuration from which a snapshot was compiled, in parts: joined and compiled again they give an equal snapshot. Building a
 * large configuration in one step would block the event loop.
 */
export function* configurationParts(snapshot: Snapshot): Generator<Configuration> {
  const none = { version: snapshot.version, token: snapshot.token, ...nothing }
  yield none
  for (const kind of subjectKinds)
    for (const some of inGroups<object>(objectsOf[kind](snapshot))) yield { ...none, [`${kind}s`]: some }
}

/** The objects of each kind as they were configured: a kind that is missing here does not compile. */
const objectsOf: {
  readonly [Kind in SubjectKind]: (snapshot: Snapshot) => Iterable<Configuration[`${Kind}s`][number]>
} = {
  *provider(snapshot) {
    for (const provider of snapshot.providers.values()) yield providerOf(provider, snapshot)
  },
  *deployment({ backends }) {
    for (const backend of backends.values()) if (isDeployment(backend)) yield deploymentOf(backend)
  },
  *route({ routesById }) {
    for (const route of routesById.values()) yield routeOf(route)
  },
  user: ({ users }) => users.values(),
  apiKey: ({ apiKeysById }) => apiKeysById.values(),
  rateLimit: ({ limits }) => limits.rateLimits.values(),
  budget: ({ limits }) => limits.budgets.values(),
}

/** The whole of all parts; there is at least one. */
export function joinConfiguration(parts: readonly Configuration[]): Configuration {
  return {
    version: parts[0]!.version,
    // A file of an earlier release has no token; the first read of the database then loads the whole configuration.
    token: parts[0]!.token ?? '',
    ...mapKinds((kind) => parts.flatMap((part): readonly object[] => part[`${kind}s`])),
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
