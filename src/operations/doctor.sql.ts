export const AT_OF_ROW = "SELECT at FROM audit WHERE seq = ?"
