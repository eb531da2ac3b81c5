import { graphql, type ResultOf } from '../api/graphql.ts'

export const Wall = graphql(`
  query Wall($first: Int!, $search: String) {
    routes(first: $first, orderBy: { field: NAME }, filter: { search: $search }) {
      totalCount
      edges {
        node {
          id
          name
          revision
          state
          targets {
            id
            weight
            share
            availability
            backend {
              id
              label
            }
          }
          revisions(first: 1) {
            edges {
              node {
                id
                number
                kind
                actorLabel
                reason
                createdAt
              }
            }
          }
        }
      }
    }
  }
`)

export type WallRoute = ResultOf<typeof Wall>['routes']['edges'][number]['node']
