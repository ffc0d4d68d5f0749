// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice Whose a signing account is, and how its key proves it.
contract OperatorRegistrySignersTest is MarketTest {
    address private constant NEWCOMER = address(0xa4);
    uint256 private constant KEY = 0x516;

    function setUp() public override {
        super.setUp();
        vm.deal(NEWCOMER, 10 ether);
    }

    function test_aSignerBelongsToOneOperatorForEver() public {
        IOperatorRegistry.OperatorKeys memory first = _keys(vm.addr(keys[0]));
        bytes memory taken =
            abi.encodeWithSelector(IOperatorRegistry.SignerTaken.selector, first.signer, members[0]);
        bytes32[2] memory possession = _possession(NEWCOMER, keys[0]);
        vm.expectRevert(taken);
        vm.prank(NEWCOMER);
        operators.register{value: BOND}(first, "a:1", FEE, possession);
        // Nor by an update, nor after its operator changed to another key.
        possession = _possession(members[1], keys[0]);
        vm.expectRevert(taken);
        vm.prank(members[1]);
        operators.update(first, "a:1", FEE, possession);
        _rotate(members[0], KEY);
        vm.expectRevert(taken);
        vm.prank(members[1]);
        operators.update(first, "a:1", FEE, possession);
        // Its own operator may go back to it, by the key's word.
        _unproven(members[0], first.signer, _possession(members[0], KEY));
        _rotate(members[0], keys[0]);
    }

    /// A stranger's word, and the key's own about another operator, chain, contract or message.
    function test_whoDoesNotHoldAKeyCannotRegisterIt() public {
        bytes32 domain = _domainOf(block.chainid, address(operators));
        address signer = vm.addr(KEY);
        bytes32 good = _possessionDigest(domain, NEWCOMER, signer);
        bytes32[6] memory digests = [
            _possessionDigest(domain, STRANGER, signer),
            _possessionDigest(domain, NEWCOMER, NEWCOMER),
            _possessionDigest(_domainOf(block.chainid + 1, address(operators)), NEWCOMER, signer),
            _possessionDigest(_domainOf(block.chainid, address(escrow)), NEWCOMER, signer),
            _joinDigest(good),
            keccak256(abi.encode(good))
        ];
        for (uint256 i; i < digests.length; ++i) _unregistered(signer, _sign(KEY, digests[i]));
        _unregistered(signer, _sign(0xdead, good));
        _unregistered(signer, [bytes32(0), bytes32(0)]);
        _unregistered(signer, [bytes32(type(uint256).max), bytes32(type(uint256).max)]);
        _eq(uint160(operators.operatorOf(signer)), 0, "nobody's");
        _register(NEWCOMER, KEY);
    }

    /// The other half of a malleable signature does not fit into two words with its parity: what is left of it is refused.
    function test_theProofIsRefusedInItsMalleableForm() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            KEY, _possessionDigest(_domainOf(block.chainid, address(operators)), NEWCOMER, vm.addr(KEY))
        );
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes32 high = bytes32(order - uint256(s));
        _unregistered(vm.addr(KEY), [r, high]);
        _unregistered(vm.addr(KEY), [r, high ^ bytes32(uint256(1) << 255)]);
        _unregistered(vm.addr(KEY), [r, bytes32(uint256(s) | (uint256(28 - v) << 255))]);
    }

    /// What stands in the pool of transactions is of use to its sender alone.
    function test_whoSeesAProofFirstGainsNothing() public {
        bytes32[2] memory seen = _possession(NEWCOMER, KEY);
        vm.deal(STRANGER, BOND);
        bytes memory unproven =
            abi.encodeWithSelector(IOperatorRegistry.PossessionUnproven.selector, STRANGER, vm.addr(KEY));
        vm.expectRevert(unproven);
        vm.prank(STRANGER);
        operators.register{value: BOND}(_keys(vm.addr(KEY)), "a:1", FEE, seen);
        _unproven(members[0], vm.addr(KEY), seen);
        vm.prank(NEWCOMER);
        operators.register{value: BOND}(_keys(vm.addr(KEY)), "a:1", FEE, seen);
    }

    /// A bond that could take signing accounts by updates could keep all others from registering.
    function test_anUpdateTakesNoAccountWithoutItsKey() public {
        _unproven(members[0], vm.addr(KEY), _possession(members[0], keys[0]));
        _unproven(members[0], vm.addr(KEY), [bytes32(0), bytes32(0)]);
        _register(NEWCOMER, KEY);
        // With the same signer there is nothing to prove.
        vm.prank(members[0]);
        operators.update(_keys(vm.addr(keys[0])), "a:1", FEE + 1, [bytes32(0), bytes32(0)]);
        _eq(operators.operators(members[0]).feeWei, FEE + 1, "updated");
    }

    /// Who comes back proves its key again, and the account stays its own meanwhile.
    function test_whoLeftProvesItsKeyAgain() public {
        vm.prank(members[0]);
        operators.requestUnbond();
        vm.warp(START + UNBONDING);
        vm.prank(members[0]);
        operators.withdrawBond();
        address signer = vm.addr(keys[0]);
        bytes32[2] memory possession = _possession(NEWCOMER, keys[0]);
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.SignerTaken.selector, signer, members[0]));
        vm.prank(NEWCOMER);
        operators.register{value: BOND}(_keys(signer), "a:1", FEE, possession);
        vm.expectRevert(
            abi.encodeWithSelector(IOperatorRegistry.PossessionUnproven.selector, members[0], signer)
        );
        vm.prank(members[0]);
        operators.register{value: BOND}(_keys(signer), "a:1", FEE, possession);
        _register(members[0], keys[0]);
    }

    // ---- steps of this file ------------------------------------------------------------------------

    function _unregistered(address signer, bytes32[2] memory possession) private {
        vm.expectRevert(
            abi.encodeWithSelector(IOperatorRegistry.PossessionUnproven.selector, NEWCOMER, signer)
        );
        vm.prank(NEWCOMER);
        operators.register{value: BOND}(_keys(signer), "a:1", FEE, possession);
    }

    function _unproven(address operator, address signer, bytes32[2] memory possession) private {
        vm.expectRevert(
            abi.encodeWithSelector(IOperatorRegistry.PossessionUnproven.selector, operator, signer)
        );
        vm.prank(operator);
        operators.update(_keys(signer), "a:1", FEE, possession);
    }
}
