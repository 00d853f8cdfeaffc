//! Nobody's work stops because of another's: the shares of the board, its walls, and quotas.

mod neighbours {
    mod flood;
    mod quota;
    mod town;
    mod walls;
}
