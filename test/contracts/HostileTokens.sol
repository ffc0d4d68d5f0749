// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The part of ERC-20 that payments use. Anyone may make tokens; the kinds below misbehave each in its way.
contract PlainToken {
    mapping(address account => uint256) public balanceOf;
    mapping(address account => mapping(address spender => uint256)) public allowance;

    function mint(address account, uint256 amount) external {
        balanceOf[account] += amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external virtual returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external virtual returns (bool) {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
        return true;
    }

    function _move(address from, address to, uint256 amount) internal virtual {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Keeps a hundredth of each transfer.
contract FeeToken is PlainToken {
    function _move(address from, address to, uint256 amount) internal override {
        balanceOf[from] -= amount;
        balanceOf[to] += amount - amount / 100;
    }
}

/// @notice Says false and moves nothing.
contract FalseToken is PlainToken {
    function transfer(address, uint256) external pure override returns (bool) {
        return false;
    }

    function transferFrom(address, address, uint256) external pure override returns (bool) {
        return false;
    }
}

/// @notice Moves, and returns nothing, as some old tokens do.
contract SilentToken {
    mapping(address account => uint256) public balanceOf;

    function mint(address account, uint256 amount) external {
        balanceOf[account] += amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Before each transfer calls back once with a prepared call, as the owner of the money can have it with
/// tokens that have hooks, and keeps what came of it.
contract HookToken is PlainToken {
    address private _target;
    bytes private _data;
    bool public called;
    bytes public result;

    function prepare(address target, bytes calldata data) external {
        (_target, _data, called) = (target, data, false);
    }

    function _move(address from, address to, uint256 amount) internal override {
        if (_target != address(0) && !called) {
            called = true;
            (, result) = _target.call(_data);
        }
        super._move(from, to, amount);
    }
}

/// @notice Refuses every transfer while it is broken.
contract BrokenToken is PlainToken {
    bool public broken;

    error Broken();

    function setBroken(bool broken_) external {
        broken = broken_;
    }

    function _move(address from, address to, uint256 amount) internal override {
        if (broken) revert Broken();
        super._move(from, to, amount);
    }
}

/// @notice Takes its holders' signatures in place of approvals, EIP-2612.
contract PermitToken is PlainToken {
    mapping(address account => uint256) public nonces;

    error SignatureRefused();

    function permit(
        address owner,
        address spender,
        uint256 value,
        uint256 deadlineSec,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        address signer = ecrecover(permitDigest(owner, spender, value, nonces[owner]++, deadlineSec), v, r, s);
        if (block.timestamp > deadlineSec || signer == address(0) || signer != owner) revert SignatureRefused();
        allowance[owner][spender] = value;
    }

    function permitDigest(address owner, address spender, uint256 value, uint256 nonce, uint256 deadlineSec)
        public
        view
        returns (bytes32)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(uint256 chainId,address verifyingContract)"), block.chainid, address(this)
            )
        );
        bytes32 typeHash = keccak256(
            "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
        );
        bytes32 structHash = keccak256(abi.encode(typeHash, owner, spender, value, nonce, deadlineSec));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}
