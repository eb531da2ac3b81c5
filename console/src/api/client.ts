import { Client, fetchExchange, mapExchange, subscriptionExchange } from 'urql'
import { createCache } from './cache.ts'
import type { LiveLink } from './live-link.ts'
import { graphqlUrl } from './place.ts'

export interface ApiOptions {
  readonly key: string
  readonly link: LiveLink
  /** The key is not accepted any more. */
  readonly onRefused: () => void
}

/** The public API with one key. The key goes in a header, never in a URL. */
export function createApiClient({ key, link, onRefused }: ApiOptions): Client {
  return new Client({
    url: graphqlUrl.href,
    preferGetMethod: false,
    requestPolicy: 'cache-and-network',
    fetchOptions: { headers: { authorization: `Bearer ${key}` }, credentials: 'omit', cache: 'no-store' },
    exchanges: [
      mapExchange({
        onError: (error) => {
          if ((error.response as Response | undefined)?.status === 401) onRefused()
        },
      }),
      createCache(),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: link.subscribe(
              { query: query ?? '', variables },
              {
                next: (result) => sink.next(result as never),
                error: (error) => sink.error(error),
                complete: () => sink.complete(),
              },
            ),
          }),
        }),
      }),
    ],
  })
}
