import { graphql, type ResultOf } from '../api/graphql.ts'

export const Keys = graphql(`
  query Keys($first: Int!) {
    apiKeys(first: $first, orderBy: { field: CREATED_AT, direction: DESC }) {
      totalCount
      edges {
        node {
          id
          name
          prefix
          state
          revision
          scopes
          expiresAt
          lastUsedAt
          createdAt
          owner {
            id
            name
          }
          routes {
            id
            name
          }
        }
      }
    }
  }
`)

export type KeyNode = ResultOf<typeof Keys>['apiKeys']['edges'][number]['node']
