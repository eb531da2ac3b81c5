import { graphql, type ResultOf } from '../api/graphql.ts'
import { LimitSubject } from './subject.tsx'

export const Budgets = graphql(
  `
    query Budgets {
      budgets(first: 100) {
        totalCount
        edges {
          node {
            id
            revision
            per
            amount
            period
            timeZone
            onExhausted
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
                  spent
                  reserved
                  remaining
                  exhausted
                  resetsAt
                  runsOutAt
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

export const CreateBudget = graphql(`
  mutation CreateBudget($input: BudgetCreateInput!) {
    budgetCreate(input: $input) {
      userErrors {
        code
        message
      }
      applied
      budget {
        id
      }
    }
  }
`)

export const UpdateBudget = graphql(`
  mutation UpdateBudget($input: BudgetUpdateInput!) {
    budgetUpdate(input: $input) {
      userErrors {
        code
        message
      }
      applied
      budget {
        id
        revision
        amount
        period
        onExhausted
        states(first: 5) {
          edges {
            node {
              labels
              spent
              reserved
              remaining
              exhausted
              resetsAt
              runsOutAt
            }
          }
        }
      }
    }
  }
`)

export const RaiseBudget = graphql(`
  mutation RaiseBudget($id: ID!, $amount: Decimal!, $expectedRevision: Int!, $reason: String) {
    budgetRaise(input: { id: $id, amount: $amount, expectedRevision: $expectedRevision, reason: $reason }) {
      userErrors {
        code
        message
      }
      applied
      budget {
        id
        revision
        states(first: 5) {
          edges {
            node {
              labels
              spent
              reserved
              remaining
              exhausted
              resetsAt
              runsOutAt
            }
          }
        }
      }
    }
  }
`)

export const DeleteBudget = graphql(`
  mutation DeleteBudget($id: ID!, $expectedRevision: Int!) {
    budgetDelete(input: { id: $id, expectedRevision: $expectedRevision }) {
      userErrors {
        code
        message
      }
      applied
    }
  }
`)

export type BudgetNode = ResultOf<typeof Budgets>['budgets']['edges'][number]['node']
export type BudgetState = BudgetNode['states']['edges'][number]['node']
