// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A token that anyone mints, well behaved unless told otherwise.
contract TestToken {
    enum Manner {
        Plain,
        /// Returns nothing, like some old and large tokens.
        Silent,
        /// Says false and moves nothing.
        Refusing,
        /// Says true and moves nothing.
        Lying,
        /// Keeps a hundredth of each transfer.
        Taxing,
        /// Calls back before it moves anything.
        Reentering
    }

    Manner public manner;
    mapping(address account => uint256) public balanceOf;
    mapping(address account => mapping(address spender => uint256)) public allowance;
    address private _target;
    bytes private _data;
    /// What the call back came to.
    bool public reentered;
    bytes public answer;

    function mint(address account, uint256 amount) external {
        balanceOf[account] += amount;
    }

    function behave(Manner manner_) external {
        manner = manner_;
    }

    function prepare(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        if (manner == Manner.Reentering) (reentered, answer) = _target.call(_data);
        if (manner != Manner.Refusing && manner != Manner.Lying) {
            balanceOf[from] -= amount;
            balanceOf[to] += manner == Manner.Taxing ? amount - amount / 100 : amount;
        }
        if (manner == Manner.Silent) return;
        bool said = manner != Manner.Refusing;
        assembly ("memory-safe") {
            mstore(0, said)
            return(0, 32)
        }
    }
}
