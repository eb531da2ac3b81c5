import { graphqlUrl } from '../api/place.ts'

export interface Caller {
  readonly name: string
  readonly owner: string
  readonly role: string
  readonly scopes: readonly string[]
}

export type KeyCheck =
  | { readonly kind: 'accepted'; readonly caller: Caller }
  | { readonly kind: 'refused' }
  | { readonly kind: 'failed'; readonly message: string }

const question = `query Caller {
  viewer { scopes actor { __typename ... on ApiKey { name owner { name role } } ... on User { name role } } }
}`

interface Answer {
  readonly data?: {
    readonly viewer: {
      scopes: string[]
      actor: { name?: string; role?: string; owner?: { name: string; role: string } }
    }
  }
  readonly errors?: readonly { message: string }[]
}

/** Whether the API takes this key, and who it then is. */
export async function checkKey(key: string, signal?: AbortSignal): Promise<KeyCheck> {
  try {
    const response = await fetch(graphqlUrl, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ query: question }),
      credentials: 'omit',
      cache: 'no-store',
      ...(signal && { signal }),
    })
    if (response.status === 401) return { kind: 'refused' }
    const { data, errors } = (await response.json()) as Answer
    if (!data) return { kind: 'failed', message: errors?.[0]?.message ?? `The API answered ${response.status}.` }
    return { kind: 'accepted', caller: callerOf(data) }
  } catch {
    return { kind: 'failed', message: 'The API cannot be reached.' }
  }
}

function callerOf({ viewer: { actor, scopes } }: NonNullable<Answer['data']>): Caller {
  const { name = 'system', owner = { name, role: actor.role ?? '' } } = actor
  return {
    name,
    owner: owner.name,
    role: owner.role,
    scopes,
  }
}
