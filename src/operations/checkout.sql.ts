export interface CheckoutRow {
  readonly directory: string
  readonly entry_id: number
  readonly base_commit: string | null
  readonly base_tree: string
  readonly tree: string
  readonly created_at: number
}
export const PUT_CHECKOUT = `INSERT OR REPLACE INTO checkout
    (directory, entry_id, base_commit, base_tree, tree, created_at) VALUES (?, ?, ?, ?, ?, ?)`
export const CHECKOUT = "SELECT * FROM checkout WHERE directory = ?"
