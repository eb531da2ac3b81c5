import { graphql, type ResultOf } from '../api/graphql.ts'
import { LimitSubject } from './subject.tsx'

export const RateLimits = graphql(
  `
    query RateLimits($subject: ID) {
      rateLimits(first: 100, subjectId: $subject) {
        totalCount
        edges {
          node {
            id
            revision
            per
            requestsPerMinute
            tokensPerMinute
            inFlight
            burst
            enforcement
            subject {
              ...LimitSubject
            }
            states(first: 5) {
              pageInfo {
                hasNextPage
              }
              edges {
                node {
                  labels
                  requestsLeft
                  tokensLeft
                  inFlight
                  refusedLastHour
                  wouldRefuseLastHour
                  resetsAt
                }
              }
            }
          }
        }
      }
    }
  `,
  [LimitSubject],
)

export const CreateRateLimit = graphql(`
  mutation CreateRateLimit($input: RateLimitCreateInput!) {
    rateLimitCreate(input: $input) {
      userErrors {
        code
        message
      }
      applied
      rateLimit {
        id
      }
    }
  }
`)

export const UpdateRateLimit = graphql(`
  mutation UpdateRateLimit($input: RateLimitUpdateInput!) {
    rateLimitUpdate(input: $input) {
      userErrors {
        code
        message
      }
      applied
      rateLimit {
        id
        revision
        requestsPerMinute
        tokensPerMinute
        inFlight
        burst
        enforcement
      }
    }
  }
`)

export const DeleteRateLimit = graphql(`
  mutation DeleteRateLimit($id: ID!, $expectedRevision: Int!) {
    rateLimitDelete(input: { id: $id, expectedRevision: $expectedRevision }) {
      userErrors {
        code
        message
      }
      applied
    }
  }
`)

export type RateLimitNode = ResultOf<typeof RateLimits>['rateLimits']['edges'][number]['node']
export type LimitState = RateLimitNode['states']['edges'][number]['node']
